"""Garments added over HTTP, with their pictures."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from service import curate
from service.catalog import Loader, Row
from service.errors import DatabaseUnavailable
from service.images.folder import FolderImages
from service.studio import Studio

from ...pictures import encoded, picture
from ..asking import require_problem
from ..conftest import JPEG
from .conftest import GARMENTS, OTHER, add, pictures, rows


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


def test_a_photo_that_was_lost_is_put_back_by_the_same_request(
    empty: FlaskClient, studio: Studio, root: Path
) -> None:
    for asked in ({}, {"image_path": "summer/red.jpg"}):
        garment = add(empty, **asked).get_json()
        file = root / garment["image_path"]
        file.unlink()
        assert empty.get(garment["image_url"]).status_code == 404
        again = add(empty, **asked)
        assert (again.status_code, again.get_json()) == (200, garment)
        assert empty.get(garment["image_url"]).data == JPEG
        file.write_bytes(OTHER)
        require_problem(add(empty, **asked), 409, "image_path_taken")
        assert file.read_bytes() == OTHER
    assert rows(studio) == 2


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
    found = empty.get(f"{GARMENTS}/{garment['id']}/similar?label=any").get_json()
    assert found["matches"] == [], "the very same picture"


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
        patch.setattr("service.catalog.loading.curation.insert", fail)
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


def test_uploads_that_wait_for_a_store_leave_connections_to_others(
    empty: FlaskClient, studio: Studio, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curate, "PATIENCE_SECONDS", 0.2)
    answers, waiting = threading.Event(), threading.Semaphore(0)
    put = FolderImages.put

    def slowly(self: FolderImages, image_path: str, data: bytes) -> bool:
        waiting.release()
        assert answers.wait(60)
        return put(self, image_path, data)

    def send(number: int) -> int:
        photo = encoded(picture(60, 80, seed=number))
        return add(empty.application.test_client(), photo, label="Tee").status_code

    monkeypatch.setattr(FolderImages, "put", slowly)
    with ThreadPoolExecutor(curate.KEEPING) as pool:
        sent = pool.map(send, range(curate.KEEPING))
        try:
            assert all(waiting.acquire(timeout=60) for _ in range(curate.KEEPING))
            require_problem(add(empty, OTHER, label="Tee"), 503, "overloaded")
            assert empty.get(GARMENTS).status_code == 200
        finally:
            answers.set()
        assert set(sent) == {201}
    assert add(empty, OTHER, label="Tee").status_code == 201
    assert rows(studio) == curate.KEEPING + 1


def test_what_is_sent_beside_the_photo_is_checked(empty: FlaskClient, root: Path) -> None:
    require_problem(add(empty, label="Trousers"), 400, "label_unknown")
    assert "lable" in require_problem(add(empty, lable="Tee"), 400, "invalid_parameter")
    assert "label" in require_problem(add(empty, label=["Tee", "Top"]), 400, "invalid_parameter")
    file, *two = [(io.BytesIO(JPEG), "b.jpg") for _ in range(3)]
    assert "label" in require_problem(add(empty, label=file), 400, "invalid_parameter")
    assert "image" in require_problem(add(empty, image=two), 400, "invalid_parameter")
    assert pictures(root) == []
