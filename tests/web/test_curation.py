"""Garments added, listed, relabelled and removed over HTTP, with their pictures."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from service.catalog import Loader, Row, garments_page
from service.errors import DatabaseUnavailable
from service.images import open_images
from service.images.folder import FolderImages
from service.studio import Studio

from ..pictures import encoded, picture
from .asking import require_problem
from .conftest import JPEG

GARMENTS = "/api/v1/garments"
OTHER = encoded(picture(200, 200, seed=5), "PNG")


@pytest.fixture
def root(studio: Studio, tmp_path: Path) -> Path:
    """An empty image root of the test's own."""
    folder = tmp_path / "root"
    folder.mkdir()
    studio.images = open_images(str(folder))
    return folder


def add(client: FlaskClient, data: bytes = JPEG, **fields: Any) -> TestResponse:
    return client.post(GARMENTS, data={"image": (io.BytesIO(data), "a.jpg")} | fields)


def pictures(root: Path) -> list[str]:
    """Every file under a root, drafts too."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def rows(studio: Studio) -> int:
    with studio.engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM garment"))


def test_a_photo_becomes_a_garment_named_after_its_bytes(
    empty: FlaskClient, studio: Studio, root: Path
) -> None:
    answer = add(empty)
    assert answer.status_code == 201
    garment = answer.get_json()
    digest = hashlib.sha256(JPEG).hexdigest()
    assert garment["image_path"] == f"uploads/{digest[:2]}/{digest}.jpg"
    assert (root / garment["image_path"]).read_bytes() == JPEG
    assert garment["label_source"] == "predicted"
    assert garment["label"] == garment["predicted_label"]
    assert answer.headers["Location"] == f"{GARMENTS}/{garment['id']}"
    assert empty.get(answer.headers["Location"]).get_json() == garment
    assert empty.get(garment["image_url"]).data == JPEG

    again = add(empty)
    assert (again.status_code, again.get_json()) == (200, garment)
    assert rows(studio) == 1


def test_a_label_is_given_in_any_case(empty: FlaskClient, root: Path) -> None:
    garment = add(empty, label="romper").get_json()
    assert (garment["label"], garment["label_source"]) == ("Romper", "given")
    assert 0 <= garment["confidence"] <= 1
    found = empty.get(f"{GARMENTS}/{garment['id']}/similar").get_json()
    assert found["searched_labels"] == ["Romper"]


def test_a_path_is_given(empty: FlaskClient, studio: Studio, root: Path) -> None:
    garment = add(empty, image_path="summer/été/red.jpg").get_json()
    assert garment["image_path"] == "summer/été/red.jpg"
    assert pictures(root) == ["summer/été/red.jpg"]

    same = add(empty, image_path="summer/été/red.jpg")
    assert (same.status_code, same.get_json()) == (200, garment)
    other = add(empty, OTHER, image_path="summer/été/red.jpg")
    require_problem(other, 409, "image_path_taken")
    assert (root / "summer/été/red.jpg").read_bytes() == JPEG
    label = "Dress" if garment["label"] != "Dress" else "Tee"
    relabelled = add(empty, image_path="summer/été/red.jpg", label=label)
    assert "PATCH" in require_problem(relabelled, 409, "image_path_taken")

    twin = add(empty, image_path="winter/red.jpg")
    assert twin.status_code == 201
    assert rows(studio) == 2


def test_a_picture_without_a_garment_is_adopted_or_respected(
    empty: FlaskClient, studio: Studio, root: Path
) -> None:
    (root / "left.jpg").write_bytes(JPEG)
    assert add(empty, image_path="left.jpg").status_code == 201
    (root / "theirs.jpg").write_bytes(OTHER)
    require_problem(add(empty, image_path="theirs.jpg"), 409, "image_path_taken")
    assert (root / "theirs.jpg").read_bytes() == OTHER
    (root / "folder.jpg").mkdir()
    require_problem(add(empty, image_path="folder.jpg"), 409, "image_path_taken")
    require_problem(add(empty, image_path="left.jpg/x.jpg"), 409, "image_path_taken")
    assert rows(studio) == 1


@pytest.mark.parametrize(
    "path",
    [
        "../out.jpg",
        "a/../../out.jpg",
        "a/..",
        "..",
        ".",
        "./a.jpg",
        "/etc/out.jpg",
        "//etc/out.jpg",
        "a//b.jpg",
        "a/./b.jpg",
        "..\\out.jpg",
        "C:\\out.jpg",
        "a\0.jpg",
        "a\n.jpg",
        ".ssh/a.jpg",
        "a/.hidden.jpg",
        ".a.jpg.draft",
        "page.html",
        "noending",
        "a.jpg/",
        "a" * 201 + ".jpg",
        "é" * 150 + ".jpg",
    ],
)
def test_a_path_that_leads_out_or_hides_is_refused(
    empty: FlaskClient, studio: Studio, root: Path, path: str
) -> None:
    answer = add(empty, image_path=path)
    assert "image_path" in require_problem(answer, 400, "invalid_parameter")
    assert pictures(root.parent) == []
    assert rows(studio) == 0


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/out.jpg",
        "%2e%2e%2fout.jpg",
        "..%5cout.jpg",
        "\uff0e\uff0e\uff0fout.jpg",
        "\u2025/out.jpg",
    ],
)
def test_encoded_dots_are_names_like_any_other(empty: FlaskClient, root: Path, path: str) -> None:
    answer = add(empty, image_path=path)
    if path.startswith("."):
        require_problem(answer, 400, "invalid_parameter")
    else:
        assert answer.status_code == 201
        assert pictures(root) == [path]
    assert list(root.parent.iterdir()) == [root]


def test_links_lead_nowhere_outside(
    empty: FlaskClient, studio: Studio, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (root / "link").symlink_to(outside)
    (root / "link.jpg").symlink_to(outside / "new.jpg")
    for path in ("link/out.jpg", "link.jpg"):
        require_problem(add(empty, image_path=path), 400, "invalid_parameter")
    assert list(outside.iterdir()) == []
    assert rows(studio) == 0


@pytest.mark.parametrize(
    "path",
    ["../secret.jpg", "a/../../secret.jpg", "link/secret.jpg", "link.jpg", "a\\..\\secret.jpg"],
)
def test_no_picture_is_read_from_outside(
    empty: FlaskClient,
    studio: Studio,
    root: Path,
    rows: list[Row],
    tmp_path_factory: pytest.TempPathFactory,
    path: str,
) -> None:
    """Even where the catalog says so: a row may come from elsewhere."""
    outside = tmp_path_factory.mktemp("outside")
    for place in (outside, root.parent):
        (place / "secret.jpg").write_bytes(JPEG)
    try:
        (root / "link").symlink_to(outside)
        (root / "link.jpg").symlink_to(outside / "secret.jpg")
        garment = Row(
            **{name: getattr(rows[0], name) for name in rows[0].__slots__} | {"image_path": path}
        )
        Loader(studio.engine, studio.model_id).write([garment])
        require_problem(empty.get(f"{GARMENTS}/1/image"), 404, "picture_gone")
    finally:
        (root.parent / "secret.jpg").unlink()


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "storage_full"),
        (errno.EDQUOT, 507, "storage_full"),
        (errno.EROFS, 503, "storage_unavailable"),
        (errno.EACCES, 503, "storage_unavailable"),
    ],
)
def test_a_picture_that_cannot_be_stored_is_no_garment(
    empty: FlaskClient,
    studio: Studio,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    status: int,
    code: str,
) -> None:
    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("service.images.folder.os.fsync", fail)
        require_problem(add(empty), status, code)
    assert pictures(root) == []
    assert rows(studio) == 0
    assert add(empty).status_code == 201


def test_a_row_that_cannot_be_written_leaves_no_picture(
    empty: FlaskClient, studio: Studio, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr("service.catalog.curation.insert", fail)
        require_problem(add(empty), 503, "database_unavailable")
    assert pictures(root) == []
    assert add(empty).status_code == 201


def test_an_ingest_that_comes_first_wins(
    empty: FlaskClient,
    studio: Studio,
    root: Path,
    rows: list[Row],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put = FolderImages.put

    def overtaken(self: FolderImages, path: str, data: bytes) -> bool:
        values = {name: getattr(rows[0], name) for name in rows[0].__slots__}
        Loader(studio.engine, studio.model_id).write([Row(**values | {"image_path": path})])
        return put(self, path, data)

    monkeypatch.setattr(FolderImages, "put", overtaken)
    require_problem(add(empty, image_path="a.jpg"), 409, "image_path_taken")
    assert pictures(root) == []


def test_many_at_once_are_one_garment(empty: FlaskClient, studio: Studio, root: Path) -> None:
    start = threading.Barrier(4)

    def send(_: int) -> int:
        start.wait()
        return add(empty.application.test_client()).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(send, range(4))) == [200, 200, 200, 201]
    assert rows(studio) == 1
    assert len(pictures(root)) == 1


def test_what_is_sent_beside_the_photo_is_checked(empty: FlaskClient, root: Path) -> None:
    require_problem(add(empty, label="Trousers"), 400, "label_unknown")
    assert "lable" in require_problem(add(empty, lable="Tee"), 400, "invalid_parameter")
    assert "label" in require_problem(add(empty, label=["Tee", "Top"]), 400, "invalid_parameter")
    file, *two = [(io.BytesIO(JPEG), "b.jpg") for _ in range(3)]
    assert "label" in require_problem(add(empty, label=file), 400, "invalid_parameter")
    assert "image" in require_problem(add(empty, image=two), 400, "invalid_parameter")
    assert pictures(root) == []


def test_a_label_is_changed_and_its_confidence_with_it(empty: FlaskClient, root: Path) -> None:
    garment = add(empty).get_json()
    said = empty.post("/api/v1/classify", data={"image": (io.BytesIO(JPEG), "a")}).get_json()
    second = said["labels"][1]
    place = f"{GARMENTS}/{garment['id']}"
    answer = empty.patch(place, json={"label": second["label"].upper()})
    changed = answer.get_json()
    assert answer.status_code == 200
    assert (changed["label"], changed["label_source"]) == (second["label"], "given")
    assert changed["confidence"] == pytest.approx(second["confidence"], abs=1e-4)
    assert changed["predicted_label"] == garment["label"]
    assert empty.get(place).get_json() == changed

    confirmed = empty.patch(place, json={"label": second["label"]}).get_json()
    assert confirmed == changed


def test_without_the_picture_the_confidence_is_unknown(empty: FlaskClient, root: Path) -> None:
    garment = add(empty).get_json()
    place = f"{GARMENTS}/{garment['id']}"
    other = "Romper" if garment["label"] != "Romper" else "Tee"
    (root / garment["image_path"]).write_bytes(OTHER)
    assert empty.patch(place, json={"label": other}).get_json()["confidence"] is None
    (root / garment["image_path"]).unlink()
    changed = empty.patch(place, json={"label": garment["label"]}).get_json()
    assert (changed["label"], changed["confidence"]) == (garment["label"], None)
    found = empty.get(f"{place}/similar").get_json()
    assert found["query"]["confidence"] is None


@pytest.mark.parametrize(
    "sent",
    [
        {"data": b"{"},
        {"json": []},
        {"json": {}},
        {"json": {"label": 3}},
        {"json": {"label": None}},
        {"json": {"label": "Tee", "id": 3}},
        {"data": {"label": "Tee"}},
    ],
)
def test_a_change_that_cannot_be_read(client: FlaskClient, sent: dict[str, Any]) -> None:
    require_problem(client.patch(f"{GARMENTS}/1", **sent), 400, "invalid_parameter")


def test_a_change_to_nothing_known(client: FlaskClient) -> None:
    answer = client.patch(f"{GARMENTS}/1", json={"label": "Trousers"})
    assert "Romper" in require_problem(answer, 400, "label_unknown")
    for name in ("0", "999", "abc"):
        answer = client.patch(f"{GARMENTS}/{name}", json={"label": "Tee"})
        require_problem(answer, 404, "garment_not_found")
        require_problem(client.delete(f"{GARMENTS}/{name}"), 404, "garment_not_found")


def test_a_removed_garment_takes_its_own_picture_with_it(
    empty: FlaskClient, studio: Studio, root: Path
) -> None:
    own, placed = add(empty).get_json(), add(empty, image_path="summer/red.jpg").get_json()
    for garment in (own, placed):
        place = f"{GARMENTS}/{garment['id']}"
        answer = empty.delete(place)
        assert (answer.status_code, answer.data) == (204, b"")
        require_problem(empty.get(place), 404, "garment_not_found")
        require_problem(empty.delete(place), 404, "garment_not_found")
    assert pictures(root) == ["summer/red.jpg"]
    assert add(empty, image_path="summer/red.jpg").status_code == 201


@pytest.fixture
def paged(empty: FlaskClient, studio: Studio, rows: list[Row]) -> FlaskClient:
    Loader(studio.engine, studio.model_id).write(rows)
    return empty


def test_pages_show_every_garment_once(paged: FlaskClient, studio: Studio) -> None:
    seen, cursor = [], ""
    for _ in range(4):
        page = paged.get(f"{GARMENTS}?limit=10{cursor}").get_json()
        seen += [garment["id"] for garment in page["garments"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert seen == [garment.id for garment in garments_page(studio.engine, limit=100)[0]]
    assert len(seen) == 33
    assert paged.get(f"{GARMENTS}?cursor=999").get_json() == {"garments": [], "next_cursor": None}


def test_pages_of_a_label(paged: FlaskClient) -> None:
    page = paged.get(f"{GARMENTS}?label=tEE").get_json()
    assert [garment["label"] for garment in page["garments"]] == ["Tee"] * 3


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_parameter"),
        ("limit=1001", "invalid_parameter"),
        ("cursor=abc", "invalid_parameter"),
        ("cursor=-1", "invalid_parameter"),
        ("cursor=%C2%B2", "invalid_parameter"),
        ("offset=3", "invalid_parameter"),
        ("label=Trousers", "label_unknown"),
        ("label=Tee&label=Top", "invalid_parameter"),
    ],
)
def test_a_page_that_cannot_be_asked_for(client: FlaskClient, query: str, code: str) -> None:
    require_problem(client.get(f"{GARMENTS}?{query}"), 400, code)
