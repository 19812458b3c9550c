"""A store that refuses whoever asks, which is about no picture, and one that forbids an object."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.catalog import garment_by_id
from service.errors import SourceInvalid, StorageUnavailable
from service.images import open_images
from service.ingest import ingest
from service.settings import Settings
from service.storage import exists, is_folder, known_size, locate, state_of
from service.studio import Studio
from tests.pictures import encoded, picture
from tests.store import BUCKET, ObjectStore
from tests.test_ingest import counts
from tests.test_keeping import ids
from tests.web.conftest import warm

PHOTOS = f"s3://{BUCKET}/photos"
REFUSED = ["400 ExpiredToken", "403 InvalidAccessKeyId"]


@pytest.fixture
def shop(settings: Settings, store: ObjectStore) -> Iterator[Studio]:
    """A studio with a garment of each of two folders, whose image root is the bucket."""
    for number, name in enumerate(("dress/0.png", "tee/1.png")):
        store.files.pipe_file(f"{BUCKET}/photos/{name}", encoded(picture(60, 80, number)))
    with Studio(settings.model_copy(update={"image_root": f"s3://{BUCKET}"})) as studio:
        ingest(studio, locate(PHOTOS))
        yield studio


@pytest.mark.parametrize("status", REFUSED)
def test_refused_credentials_are_no_picture_that_is_gone(
    shop: Studio, store: ObjectStore, status: str
) -> None:
    client, number = warm(shop), ids(shop)["photos/tee/1.png"]
    before = garment_by_id(shop.engine, number)
    other = next(label for label in shop.model.labels if label != before.label)
    store.refused = status
    for answer in (
        client.get(f"/api/v1/garments/{number}/image"),
        client.patch(f"/api/v1/garments/{number}", json={"label": other}),
    ):
        assert (answer.status_code, answer.json["code"]) == (503, "storage_unavailable")
    assert garment_by_id(shop.engine, number) == before
    code = status.partition(" ")[2]
    with pytest.raises(StorageUnavailable, match=rf"refuses these credentials: {code}\."):
        ingest(shop, locate(PHOTOS))


@pytest.mark.parametrize("status", REFUSED)
def test_credentials_that_expire_in_an_import_reject_no_photo(
    shop: Studio, store: ObjectStore, status: str
) -> None:
    for name in ("a.png", "b.png"):
        store.files.pipe_file(f"{BUCKET}/photos/tee/{name}", encoded(picture(60, 80, 7)))
        store.forbid[f"photos/tee/{name}"] = status
    with pytest.raises(StorageUnavailable):
        ingest(shop, locate(PHOTOS))


def test_what_a_refusal_is_about_is_asked_once(store: ObjectStore) -> None:
    """By a GET, as a HEAD is answered by a status alone."""
    place = locate(f"{PHOTOS}/a.png")
    store.files.pipe_file(f"{BUCKET}/photos/a.png", b"a")
    store.refused = "403 SignatureDoesNotMatch"
    for ask, file in ((exists, place), (known_size, place), (is_folder, locate(f"s3://{BUCKET}"))):
        store.asked.clear()
        with pytest.raises(StorageUnavailable, match="credentials: SignatureDoesNotMatch"):
            ask(file)
        assert [method for method, _ in store.asked] == ["HEAD", "GET"]
    with pytest.raises(StorageUnavailable, match="credentials"):
        open_images(PHOTOS).put("b.png", b"b")


def test_an_object_that_is_forbidden_is_gone_and_no_other_is(
    shop: Studio, store: ObjectStore
) -> None:
    client, numbers = warm(shop), ids(shop)
    store.forbid["photos/tee/1.png"] = "403 AccessDenied"
    answer = client.get(f"/api/v1/garments/{numbers['photos/tee/1.png']}/image")
    assert (answer.status_code, answer.json["code"]) == (404, "picture_gone")
    assert client.get(f"/api/v1/garments/{numbers['photos/dress/0.png']}/image").status_code == 200
    assert known_size(locate(f"{PHOTOS}/tee/1.png")) is None
    store.refused = "403 AccessDenied"
    with pytest.raises(SourceInvalid):
        ingest(shop, locate(PHOTOS))


def test_a_name_longer_than_a_store_takes_is_one_photos_fault(
    shop: Studio, store: ObjectStore
) -> None:
    name = "/".join(["photos", *["x" * 210] * 5, "1.png"])
    store.forbid[name] = "400 KeyTooLongError"
    table = f"image_name,category_label\n{name},Tee\nphotos/new.png,Tee\n"
    store.files.pipe_file(f"{BUCKET}/photos/new.png", encoded(picture(60, 80, 9)))
    store.files.pipe_file(f"{BUCKET}/new.csv", table.encode())
    summary = ingest(shop, locate(f"s3://{BUCKET}/new.csv"))
    assert counts(summary) == (2, 1, 0, 0, 1)
    assert "File name too long" in summary.rejects[0]["reason"]
    place = locate(f"s3://{BUCKET}/{name}")
    assert (known_size(place), exists(place), state_of(place)[1]) == (None, False, -1)
