"""Photos and pictures in a real S3 server: taken in, shown, moved, gone; and the server failing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from service.curate import add_garment, delete_garment
from service.errors import (
    DatabaseUnavailable,
    ImageUndecodable,
    SourceForbidden,
    SourceInvalid,
    StorageUnavailable,
)
from service.extent import Gone
from service.images import open_images
from service.ingest import ingest
from service.jobs.roots import require_source
from service.jobs.tasks import Patience
from service.settings import Settings
from service.sources import read_source
from service.storage import is_folder, locate
from service.stores import WHOLE_SECONDS
from service.studio import Studio
from tests.pictures import encoded, picture
from tests.store import BUCKET, ObjectStore
from tests.test_cli import assert_one_line, run
from tests.test_ingest import counts
from tests.test_keeping import ids
from tests.web.conftest import warm

PHOTOS = f"s3://{BUCKET}/photos"


@pytest.fixture
def filled(store: ObjectStore) -> ObjectStore:
    """Six photos under `photos/`, in a folder for each of two categories."""
    for number in range(6):
        name = f"{'tee' if number % 2 else 'dress'}/{number} #?.png"
        store.files.pipe_file(f"{BUCKET}/photos/{name}", encoded(picture(60, 80, number)))
    return store


@pytest.fixture
def shop(settings: Settings, filled: ObjectStore) -> Iterator[Studio]:
    """A studio whose image root is the bucket, with the six garments."""
    settings = settings.model_copy(update={"image_root": f"s3://{BUCKET}"})
    with Studio(settings) as studio:
        assert counts(ingest(studio, locate(PHOTOS))) == (6, 6, 0, 0, 0)
        yield studio


@pytest.fixture
def client(shop: Studio) -> FlaskClient:
    return warm(shop)


def pruning(gone: Gone) -> list[str]:
    return gone.prune(more_than_half=True)


def test_photos_of_a_bucket_are_garments_that_keep_in_step(
    shop: Studio, filled: ObjectStore
) -> None:
    files, before = filled.files, ids(shop)
    assert sorted(before)[0] == "photos/dress/0 #?.png"
    assert counts(ingest(shop, locate(PHOTOS))) == (6, 0, 0, 6, 0)

    files.cp_file(f"{BUCKET}/photos/dress/0 #?.png", f"{BUCKET}/photos/dress/moved.png")
    files.rm_file(f"{BUCKET}/photos/dress/0 #?.png")
    files.rm_file(f"{BUCKET}/photos/tee/1 #?.png")
    files.pipe_file(f"{BUCKET}/photos/tee/broken.png", b"no photo")
    summary = ingest(shop, locate(PHOTOS), prune=pruning)
    assert (summary.moved, summary.pruned) == (1, ["photos/tee/1 #?.png"])
    assert [reject["image_path"] for reject in summary.rejects] == ["tee/broken.png"]
    after = ids(shop)
    assert after["photos/dress/moved.png"] == before["photos/dress/0 #?.png"]
    assert len(after) == 5


def test_an_import_lists_a_folder_four_times_and_asks_twice_for_a_photo(
    settings: Settings, filled: ObjectStore
) -> None:
    """Whether it can be read, what is gone, how many there are, and the photos: 1,000 names a list."""
    settings = settings.model_copy(update={"image_root": f"s3://{BUCKET}"})
    with Studio(settings) as studio:
        filled.asked.clear()
        filled.queries.clear()
        ingest(studio, locate(PHOTOS))
    whole = [query for query in filled.queries if "prefix=photos%2F&" in query]
    assert len([query for query in whole if "max-keys" not in query]) == 4
    photos = [method for method, path in filled.asked if path.endswith(".png")]
    assert (photos.count("HEAD"), photos.count("GET")) == (6, 6)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        ("403 AccessDenied", SourceInvalid, "photos cannot be read: AccessDenied"),
        ("500 InternalError", StorageUnavailable, "photos/tee does not answer: .*InternalError"),
    ],
)
def test_a_folder_that_the_store_does_not_list_is_not_an_empty_one(
    shop: Studio, filled: ObjectStore, status: str, error: type[Exception], words: str
) -> None:
    filled.forbid["photos/tee/"] = status
    with pytest.raises(error, match=words):
        ingest(shop, locate(PHOTOS), prune=pruning)
    with pytest.raises(error, match=words):
        list(read_source(locate(PHOTOS), labels=()))
    assert len(ids(shop)) == 6


def test_hidden_folders_of_a_store_are_not_listed(filled: ObjectStore) -> None:
    filled.files.pipe_file(f"{BUCKET}/photos/.cache/x.png", b"")
    filled.files.pipe_file(f"{BUCKET}/photos/marked/", b"")  # a folder without files
    filled.forbid["photos/.cache/"] = "403 AccessDenied"
    assert len(list(read_source(locate(PHOTOS)))) == 6


def test_what_is_a_folder_of_a_store(filled: ObjectStore) -> None:
    filled.files.pipe_file(f"{BUCKET}/photos", b"")  # a mark
    for name, expected in (("", True), ("/photos", True), ("/photos/tee", True), ("/none", False)):
        assert is_folder(locate(f"s3://{BUCKET}{name}")) == expected, name
    assert not is_folder(locate(f"{PHOTOS}/tee/1 #?.png"))


def test_tables_name_objects_by_path_or_url(shop: Studio, filled: ObjectStore) -> None:
    lines = ["image_name,category_label", "photos/dress/0 #?.png,Dress"]
    lines += [f"s3://{BUCKET}/photos/tee/1 #?.png,Tee", "s3://elsewhere/x.png,Tee", "../x.png,Tee"]
    filled.files.pipe_file(f"{BUCKET}/lists/all.csv", "\n".join(lines).encode())
    items = list(
        read_source(locate(f"s3://{BUCKET}/lists/all.csv"), image_root=locate(f"s3://{BUCKET}"))
    )
    assert [item.file.read_bytes() == b"" for item in items[:2]] == [False, False]
    with pytest.raises(SourceInvalid, match="does not lie under the image root"):
        ingest(shop, locate(f"s3://{BUCKET}/lists/all.csv"), image_root=locate(f"s3://{BUCKET}"))


def test_pictures_are_shown_kept_and_removed(client: FlaskClient, shop: Studio, filled) -> None:
    for image_id in ids(shop).values():
        answer = client.get(f"/api/v1/garments/{image_id}/image")
        assert (answer.status_code, answer.content_type) == (200, "image/png")
    garment, new = add_garment(shop, encoded(picture(60, 80, 77)), label="Tee")
    assert new
    assert filled.files.exists(f"{BUCKET}/{garment.image_path}")
    delete_garment(shop, garment.id)
    assert not filled.files.exists(f"{BUCKET}/{garment.image_path}")

    filled.files.rm_file(f"{BUCKET}/photos/tee/1 #?.png")
    lost = ids(shop)["photos/tee/1 #?.png"]
    answer = client.get(f"/api/v1/garments/{lost}/image")
    assert (answer.status_code, answer.json["code"]) == (404, "picture_gone")


def test_two_writers_of_one_name_do_not_replace_each_other(store: ObjectStore) -> None:
    """The condition is the store's own: nothing is asked before the write."""
    root = open_images(f"s3://{BUCKET}")
    store.files.pipe_file(f"{BUCKET}/a.jpg", b"theirs")
    store.asked.clear()
    with pytest.raises(Exception, match="another picture"):
        root.put("a.jpg", b"ours")
    assert store.asked[0][0] == "PUT"
    assert store.files.cat_file(f"{BUCKET}/a.jpg") == b"theirs"


def test_a_table_whose_store_goes_away_is_no_table_at_fault(filled: ObjectStore) -> None:
    """A worker tries again."""
    filled.files.pipe_file(f"{BUCKET}/all.csv", b"image_name\nphotos/tee/1.png\n")
    items = read_source(locate(f"s3://{BUCKET}/all.csv"))
    filled.stop()
    with pytest.raises(StorageUnavailable, match=r"all\.csv does not answer"):
        list(items)


def test_photos_are_there_whatever_they_are_called(shop: Studio, filled: ObjectStore) -> None:
    """A table names them; names by their content have no ending, and a dot hides nothing."""
    table = ["image_name,category_label"]
    for number, name in enumerate(("0a1b2c", ".cache/x.png")):
        filled.files.pipe_file(f"{BUCKET}/photos/{name}", encoded(picture(60, 80, 20 + number)))
        table.append(f"{name},Tee")
    filled.files.pipe_file(f"{BUCKET}/photos/new.csv", "\n".join(table).encode())
    source = locate(f"{PHOTOS}/new.csv")
    assert counts(ingest(shop, source)) == (2, 2, 0, 0, 0)
    before = ids(shop)
    summary = ingest(shop, locate(PHOTOS), prune=pruning)
    assert (summary.gone, summary.pruned) == ([], [])
    assert ids(shop) == before


def test_a_busy_store_is_asked_again(store: ObjectStore) -> None:
    root = open_images(f"s3://{BUCKET}")
    root.put("a.jpg", b"one")
    store.refuse = 2
    assert root.read("a.jpg") == b"one"
    assert store.refuse == 0


def test_a_store_that_is_away_is_no_picture_that_is_gone(
    client: FlaskClient, shop: Studio, filled: ObjectStore
) -> None:
    filled.stop()
    began = time.monotonic()
    answer = client.get("/api/v1/garments/1/image")
    assert (answer.status_code, answer.json["code"]) == (503, "storage_unavailable")
    assert client.get("/api/v1/garments/1/similar").status_code == 200  # needs no picture
    with pytest.raises(StorageUnavailable, match="does not answer"):
        ingest(shop, locate(PHOTOS), prune=pruning)
    assert len(ids(shop)) == 6
    assert time.monotonic() - began < 2 * WHOLE_SECONDS
    warnings = client.get("/readyz").json["warnings"]
    assert any("does not answer" in warning for warning in warnings)
    filled.start()
    assert client.get("/api/v1/garments/1/image").status_code == 200
    assert counts(ingest(shop, locate(PHOTOS))) == (6, 0, 0, 6, 0)


def test_where_the_store_is_needed_the_api_says_that_it_may_be_away(
    client: FlaskClient, shop: Studio, filled: ObjectStore
) -> None:
    shop.settings = shop.settings.model_copy(update={"import_roots": (f"s3://{BUCKET}",)})
    paths = client.get("/openapi.json").get_json()["paths"]
    filled.stop()
    for method, path, json in (
        ("get", "/api/v1/garments/{garment_id}/image", None),
        ("patch", "/api/v1/garments/{garment_id}", {"label": "Tee"}),
        ("post", "/api/v1/imports", {"source": PHOTOS}),
    ):
        answer = client.open(path.format(garment_id=1), method=method.upper(), json=json)
        assert (answer.status_code, answer.json["code"]) == (503, "storage_unavailable")
        (declared,) = paths[path][method]["responses"]["503"]["content"].values()
        assert "storage_unavailable" in declared["examples"], path


def test_a_store_that_hangs_is_given_up(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = open_images(f"s3://{BUCKET}")
    root.put("a.jpg", b"one")
    monkeypatch.setattr("service.images.objects.PROBE_SECONDS", 0.5)
    store.hang = 4.0
    began = time.monotonic()
    with pytest.raises(StorageUnavailable):
        root.check()
    assert time.monotonic() - began < 3.0


def test_an_import_stops_where_the_store_went_away_and_goes_on(
    settings: Settings, filled: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.intake.local.WINDOW", 1)
    settings = settings.model_copy(update={"image_root": f"s3://{BUCKET}"})
    with Studio(settings) as studio:

        def leave(summary: object) -> None:
            filled.stop()

        with pytest.raises(StorageUnavailable):
            ingest(studio, locate(PHOTOS), batch_size=2, progress=leave)
        assert 0 < len(ids(studio)) < 6
        filled.start()
        assert counts(ingest(studio, locate(PHOTOS)))[4] == 0
        assert len(ids(studio)) == 6
        with studio.engine.connect() as connection:
            states = connection.exec_driver_sql("SELECT state FROM import_run ORDER BY id").all()
        assert [state for (state,) in states] == ["failed", "done"]


def test_a_job_waits_for_a_store() -> None:
    class Job:
        attempts = 1

    for error in (StorageUnavailable("x"), DatabaseUnavailable("x")):
        assert Patience().get_retry_decision(exception=error, job=Job()) is not None
    assert Patience().get_retry_decision(exception=SourceInvalid("x"), job=Job()) is None


def test_imports_over_http_stay_under_their_urls(filled: ObjectStore, settings: Settings) -> None:
    settings = settings.model_copy(update={"import_roots": (f"s3://{BUCKET}/photos",)})
    source, _ = require_source(f"s3://{BUCKET}/photos/tee", settings)
    assert str(source) == f"s3://{BUCKET}/photos/tee"
    for path in ("", "/../secret", "2"):
        if path:
            with pytest.raises(SourceForbidden):
                require_source(f"s3://{BUCKET}/photos{path}", settings)
    for url in ("http://127.0.0.1/x", "s3://other/photos", "file:///etc", "memory://x"):
        with pytest.raises(SourceForbidden):
            require_source(url, settings)
    with pytest.raises(SourceInvalid, match="does not exist"):
        require_source(f"s3://{BUCKET}/photos/none", settings)
    assert Settings(import_roots=f"/a:s3://{BUCKET}/b:/c").import_roots == (
        "/a", f"s3://{BUCKET}/b", "/c",
    )  # fmt: skip


@pytest.mark.usefixtures("environment", "filled")
def test_the_command_line(tmp_path: Path) -> None:
    root = {"FASHION_STUDIO_IMAGE_ROOT": f"s3://{BUCKET}"}
    done = run("ingest", PHOTOS, **root)
    assert done.returncode == 0
    assert "added 6" in done.stdout
    assert_one_line(run("ingest", PHOTOS), 1, "Set FASHION_STUDIO_IMAGE_ROOT")
    assert_one_line(run("ingest", PHOTOS, "--watch", **root), 2, "from a timer")
    assert_one_line(run("ingest", f"s3://{BUCKET}/none", **root), 1, "does not exist")
    assert_one_line(run("ingest", "nothing://x", **root), 1, "nothing://x")


def test_a_picture_that_is_not_there(store: ObjectStore) -> None:
    root = open_images(f"s3://{BUCKET}")
    with pytest.raises(ImageUndecodable):
        root.read("none.jpg")
    assert root.size("none.jpg") is None
    root.check()
    with pytest.raises(StorageUnavailable, match="no bucket"):
        open_images("s3://typo").check()
