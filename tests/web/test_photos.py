"""What the service says of photos that are sent: one, many, and none."""

from __future__ import annotations

import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image as Pillow
from werkzeug.test import TestResponse

from service.domain import Prediction
from service.model import Model
from service.settings import Settings
from service.studio import Studio
from service.web.app import create_app
from service.web.context import Context

from ..pictures import encoded, picture, png_header
from .asking import form, require_problem
from .conftest import JPEG

ONE = ("/api/v1/similar", "/api/v1/classify")


def test_classify_answers_every_label_by_confidence(client: FlaskClient, stocked: Studio) -> None:
    document = client.post("/api/v1/classify", **form(JPEG)).get_json()
    assert document.keys() == {"label", "confidence", "recognised", "labels"}
    best = document["labels"][0]
    assert document["label"] == (best["label"] if document["recognised"] else None)
    assert document["confidence"] == best["confidence"]
    assert {scored["label"] for scored in document["labels"]} == set(stocked.card.labels)


@pytest.mark.parametrize("path", ONE)
def test_no_image_is_said_so(client: FlaskClient, path: str) -> None:
    for sent in (
        {},
        {"data": b"\xff\xd8\xff", "content_type": "image/jpeg"},
        {"data": b"no boundary", "content_type": "multipart/form-data"},
        {"data": {"image": "text"}, "content_type": "multipart/form-data"},
        form(JPEG, field="photo"),
        form(b"", name=""),
    ):
        require_problem(client.post(path, **sent), 400, "image_missing")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "image_undecodable"),
        (b"hello, I am a text", 422, "image_undecodable"),
        (JPEG[: len(JPEG) // 2], 422, "image_undecodable"),
        (png_header(20_000, 20_000), 413, "image_too_large"),
        (b"%PDF-1.7 not a picture", 415, "image_type_unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "image_type_unsupported"),
    ],
)
def test_a_photo_that_cannot_be_read(
    client: FlaskClient, data: bytes, status: int, code: str
) -> None:
    for path in ONE:
        require_problem(client.post(path, **form(data)), status, code)


def test_a_file_or_body_that_is_too_large(settings: Settings) -> None:
    with Studio(settings.model_copy(update={"max_image_bytes": 10_000})) as studio:
        client = create_app(studio).test_client()
        for size in (10_001, 200_000):
            answer = client.post("/api/v1/classify", **form(b"x" * size))
            require_problem(answer, 413, "image_too_large")


def test_photos_of_many_reads_arrive_whatever_their_bytes(client: FlaskClient) -> None:
    rng = np.random.default_rng(0)
    noise = [
        encoded(Pillow.fromarray(rng.integers(0, 255, (400, 400, 3), np.uint8)), "JPEG", quality=95)
        for _ in range(8)
    ]
    assert min(map(len, noise)) > 2 * 65_536
    for photo in noise:
        assert client.post("/api/v1/classify", **form(photo)).status_code == 200
    answer = client.post("/api/v1/sets", **form(*noise, field="images"))
    assert [image for image in answer.get_json()["images"] if "error" in image] == []


def test_a_set_is_answered_in_its_order_and_stored(client: FlaskClient) -> None:
    shirts = [encoded(picture(120, 160, seed), "PNG") for seed in range(4)]
    answer = client.post(
        "/api/v1/sets",
        data={
            "images": [
                (io.BytesIO(shirts[0]), "a.png"),
                (io.BytesIO(b"text"), "notes.txt"),
                (io.BytesIO(b""), ""),
                *[(io.BytesIO(shirt), "same.png") for shirt in shirts[1:]],
            ]
        },
    )
    assert answer.status_code == 201
    document = answer.get_json()
    assert document.keys() >= {"id", "images", "top"}
    names = [image["filename"] for image in document["images"]]
    assert names == ["a.png", "notes.txt", "same.png", "same.png", "same.png"]
    assert document["images"][1].keys() == {"filename", "error"}
    assert document["images"][0].keys() == {"filename", "label", "confidence", "recognised"}

    labels = [image["label"] for image in document["images"] if image.get("recognised")]
    assert {count["label"]: count["count"] for count in document["top"]} == Counter(labels)
    assert sum(count["share"] for count in document["top"]) == pytest.approx(1, abs=1e-5)
    assert document["top"][0]["count"] == max(Counter(labels).values())

    assert answer.headers["Location"] == f"/api/v1/sets/{document['id']}"
    assert client.get(answer.headers["Location"]).get_json() == document
    assert len(client.get(answer.headers["Location"] + "?k=1").get_json()["top"]) == 1


def test_a_set_is_sent_in_parts(settings: Settings, studio: Studio) -> None:
    studio.settings = settings.model_copy(update={"max_set_images": 6})
    client = create_app(studio).test_client()
    first = client.post("/api/v1/sets", **form(JPEG, b"text", field="images", name="first"))
    more = first.headers["Location"] + "/images"

    def add(name: str) -> int:
        return client.post(more, **form(JPEG, JPEG, field="images", name=name)).status_code

    with ThreadPoolExecutor(3) as pool:  # at once: one of them no longer fits
        assert sorted(pool.map(add, "abc")) == [200, 200, 400]
    document = client.get(first.headers["Location"]).get_json()
    names = [image["filename"] for image in document["images"]]
    assert names[:2] == ["first", "first"]
    assert names[2::2] == names[3::2]  # parts are not mixed
    assert document["top"][0]["count"] == 5
    answer = client.post(more, **form(JPEG, field="images"))
    assert "the set has 6" in require_problem(answer, 400, "invalid_parameter")
    unknown = f"/api/v1/sets/{UUID(int=0)}/images"
    require_problem(client.post(unknown, **form(JPEG, field="images")), 404, "set_not_found")


def test_a_part_that_is_sent_again_is_in_its_set_once(client: FlaskClient) -> None:
    place = client.post("/api/v1/sets", **form(JPEG, field="images")).headers["Location"]

    def add(after: object) -> TestResponse:
        return client.post(f"{place}/images?after={after}", **form(JPEG, JPEG, field="images"))

    assert len(add(1).get_json()["images"]) == 3
    assert "the set has 3" in require_problem(add(1), 409, "set_changed")
    require_problem(add(0), 409, "set_changed")
    require_problem(add(-1), 400, "invalid_parameter")
    with ThreadPoolExecutor(3) as pool:  # sent again before the first try is through
        assert sorted(answer.status_code for answer in pool.map(add, [3] * 3)) == [200, 409, 409]
    assert len(client.get(place).get_json()["images"]) == 5


def test_a_set_is_forgotten_once(client: FlaskClient) -> None:
    place = client.post("/api/v1/sets", **form(JPEG, field="images")).headers["Location"]
    answer = client.delete(place)
    assert (answer.status_code, answer.data) == (204, b"")
    require_problem(client.get(place), 404, "set_not_found")
    require_problem(client.delete(place), 404, "set_not_found")


@pytest.mark.parametrize("name", ["1", "abc", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_set_is_not_found(client: FlaskClient, name: str) -> None:
    require_problem(client.get(f"/api/v1/sets/{name}"), 404, "set_not_found")
    require_problem(client.delete(f"/api/v1/sets/{name}"), 404, "set_not_found")


def test_a_set_without_a_photo_that_can_be_read_is_kept_all_the_same(client: FlaskClient) -> None:
    document = client.post("/api/v1/sets", **form(b"text", field="images")).get_json()
    assert document["top"] == []
    assert "error" in document["images"][0]


def test_a_name_that_postgres_cannot_hold(client: FlaskClient) -> None:
    name = "a\0b" + "é" * 300
    answer = client.post("/api/v1/sets", **form(JPEG, field="images", name=name))
    assert answer.status_code == 201
    assert answer.get_json()["images"][0]["filename"].endswith("é")


@pytest.mark.parametrize("path", ["similar", "sets", "classify"])
def test_a_name_that_is_not_utf8_is_what_is_refused(client: FlaskClient, path: str) -> None:
    field = "images" if path == "sets" else "image"
    head = f'--x\r\nContent-Disposition: form-data; name={field}; filename="bl\xe5.jpg"\r\n\r\n'
    body, kind = JPEG + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"

    def post(encoding: str) -> TestResponse:
        data = head.encode(encoding) + body
        return client.post(f"/api/v1/{path}", data=data, content_type=kind)

    assert "not UTF-8" in require_problem(post("latin-1"), 400, "invalid_parameter")
    assert post("utf-8").status_code in (200, 201)


def test_of_a_set_no_photo_that_is_too_large_is_held(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, predict = [], Context.predict

    def watched(here: Context, data: bytes, *of: Model) -> Prediction:
        held.append(len(data))
        return predict(here, data, *of)

    monkeypatch.setattr(Context, "predict", watched)
    with Studio(settings.model_copy(update={"max_image_bytes": len(JPEG)})) as studio:
        sent = form(JPEG, JPEG + b"\0", JPEG + bytes(2_000_000), field="images")
        answer = create_app(studio).test_client().post("/api/v1/sets", **sent)
    good, *others = answer.get_json()["images"]
    assert "error" not in good
    assert all("MB are read" in photo["error"] for photo in others)
    assert "has 2.0" in others[1]["error"]
    assert held == [len(JPEG)]


def test_what_is_no_set(settings: Settings, studio: Studio) -> None:
    small = settings.model_copy(
        update={"max_set_images": 2, "max_set_bytes": 100_000, "max_image_bytes": 60_000}
    )
    studio.settings = small
    client = create_app(studio).test_client()
    require_problem(client.post("/api/v1/sets"), 400, "image_missing")
    require_problem(client.post("/api/v1/sets", **form(JPEG)), 400, "image_missing")
    answer = client.post("/api/v1/sets", **form(JPEG, JPEG, JPEG, field="images"))
    assert "at most 2" in require_problem(answer, 400, "invalid_parameter")
    for k in ("0", "x", "1001"):
        answer = client.post(f"/api/v1/sets?k={k}", **form(JPEG, field="images"))
        assert f"k={k}" in require_problem(answer, 400, "invalid_parameter")
    big = form(b"x" * 50_000, b"x" * 60_000, field="images")
    require_problem(client.post("/api/v1/sets", **big), 413, "image_too_large")
