"""One garment and its picture."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow
from PIL import ImageCms

from service.catalog import Loader, Row
from service.decode import Limits
from service.settings import Settings
from service.studio import Studio
from service.web.pictures import JPEG_SIDE, narrow

from ..pictures import encoded, picture
from .asking import require_problem


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """An own catalog's pictures lie in a folder of the test's own."""
    return settings.model_copy(update={"image_root": str(tmp_path)})


def test_a_garment(client: FlaskClient, stocked: Studio, rows: list[Row]) -> None:
    document = client.get("/api/v1/garments/1").get_json()
    assert document.keys() >= {
        "id", "image_path", "image_url", "label", "label_source", "confidence", "model",
        "created_at",
    }  # fmt: skip
    assert document["image_path"] == rows[0].image_path
    assert document["label_source"] == "given"
    assert document["model"] == stocked.card.title


def test_what_an_import_does_not_know_is_null(
    empty: FlaskClient, studio: Studio, rows: list[Row]
) -> None:
    unknown = {"confidence": None, "predicted_label": None, "content_sha256": None}
    Loader(studio.engine, studio.model_id).write(
        [rows[0], replace(rows[0], image_path="without.jpg", **unknown)]
    )
    garment = empty.get("/api/v1/garments/2").get_json()
    assert (garment["confidence"], garment["predicted_label"]) == (None, None)
    answer = empty.get("/api/v1/garments/2/similar?n=1").get_json()
    assert answer["matches"][0]["id"] == 1
    own = {"label": garment["label"], "confidence": None}
    assert answer["query"] == {
        **own, "recognised": True, "labels": [own], "id": 2, "image_path": "without.jpg",
        "image_url": garment["image_url"],
    }  # fmt: skip
    require_problem(empty.get(garment["image_url"]), 404, "picture_gone")


def test_the_picture_is_the_file_as_it_lies_there(
    client: FlaskClient, drawn: Path, rows: list[Row]
) -> None:
    data = (drawn / rows[0].image_path).read_bytes()
    answer = client.get("/api/v1/garments/1/image")
    assert answer.data == data
    assert answer.content_type == Pillow.open(io.BytesIO(data)).get_format_mimetype()
    assert answer.get_etag() == (hashlib.sha256(data).hexdigest(), False)
    assert "max-age" in answer.headers["Cache-Control"]

    tag = answer.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"another", {tag}'):  # weak: of a proxy that compresses
        again = client.get("/api/v1/garments/1/image", headers={"If-None-Match": known})
        assert (again.status_code, again.data) == (304, b"")


def test_a_narrow_picture_is_a_jpeg(client: FlaskClient) -> None:
    whole = client.get("/api/v1/garments/1/image")
    answer = client.get("/api/v1/garments/1/image?width=64")
    narrow = Pillow.open(io.BytesIO(answer.data))
    assert (narrow.format, narrow.width) == ("JPEG", 64)
    assert answer.content_type == "image/jpeg"
    assert answer.headers["ETag"] != whole.headers["ETag"]
    wide = Pillow.open(io.BytesIO(client.get("/api/v1/garments/1/image?width=2048").data))
    assert wide.size == Pillow.open(io.BytesIO(whole.data)).size


@pytest.mark.parametrize("width", ["15", "2049", "x", "-1"])
def test_a_width_out_of_range(client: FlaskClient, width: str) -> None:
    answer = client.get(f"/api/v1/garments/1/image?width={width}")
    assert "width=" in require_problem(answer, 400, "invalid_parameter")


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("png.jpg", encoded(picture(), "PNG"), "image/png"),
        ("webp.dat", encoded(picture(), "WEBP"), "image/webp"),
        ("page.jpg", b"<script>alert(1)</script>", None),
        ("gone.jpg", None, None),
    ],
)
def test_the_content_decides_the_type(
    empty: FlaskClient,
    studio: Studio,
    rows: list[Row],
    tmp_path: Path,
    name: str,
    data: bytes | None,
    kind: str | None,
) -> None:
    Loader(studio.engine, studio.model_id).write([replace(rows[0], image_path=name)])
    if data is not None:
        (tmp_path / name).write_bytes(data)
    answer = empty.get("/api/v1/garments/1/image")
    if kind is None:
        require_problem(answer, 404, "picture_gone")
        require_problem(empty.get("/api/v1/garments/1/image?width=64"), 404, "picture_gone")
    else:
        assert answer.content_type == kind


def test_garments_that_meet_conditions(client: FlaskClient, rows: list[Row]) -> None:
    def found(query: str) -> list[int]:
        return [
            garment["id"] for garment in client.get(f"/api/v1/garments?{query}").json["garments"]
        ]

    model = client.get("/api/v1/garments/1").json["model"]
    assert found("order=newest&limit=2") == [33, 32]
    assert found("label=dress&q=IMAGES/dress") == found("label=Dress")
    assert found("label_source=predicted") == []
    assert len(found(f"label_source=given&model={model}")) == 33
    assert found("model=another@1") == []
    sure = [row for row in rows if row.confidence is not None and row.confidence > 0.5]
    assert len(found("min_confidence=0.5")) == len(sure)
    assert len(found("min_confidence=2.2e-309")) == 33
    assert found("added_to=2020-01-01") == []


@pytest.mark.parametrize(
    "query",
    [
        "label_source=both",
        "q=",
        "q=%00",
        "model=%00",
        "min_confidence=2",
        "added_from=yesterday",
        "added_from=0",
        "added_to=2026-02-30",
        "added_to=20260131",
        "added_to=2026-W05-6",
        "order=random",
    ],
)
def test_a_condition_that_cannot_be_met_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/v1/garments?{query}")
    detail = require_problem(answer, 400, "invalid_parameter")
    assert detail.startswith(query.partition("=")[0])
    if query.startswith("added_"):
        assert detail.endswith("it must be a day such as 2026-01-31.")


def test_a_narrow_picture_has_the_colours_that_it_had() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tagged = encoded(Pillow.new("RGB", (300, 300), "red"), "JPEG", icc_profile=profile)
    assert Pillow.open(io.BytesIO(narrow(tagged, 100, Limits()))).info["icc_profile"] == profile
    # What is made of printing inks has their profile, and is in red, green and blue then
    inks = encoded(Pillow.new("CMYK", (300, 300)), "JPEG", icc_profile=profile)
    assert "icc_profile" not in Pillow.open(io.BytesIO(narrow(inks, 100, Limits()))).info


def test_a_picture_taller_than_a_jpeg_may_be_is_made_smaller() -> None:
    tall = encoded(Pillow.new("RGB", (16, 66_000), "red"))
    narrower = Pillow.open(io.BytesIO(narrow(tall, 240, Limits())))
    assert narrower.height <= JPEG_SIDE
