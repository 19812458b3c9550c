"""Pictures in their root: stored whole, never replaced, on a disk or in an object store."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from service.errors import (
    ImagePathTaken,
    ImageUndecodable,
    InvalidParameter,
    SourceForbidden,
    StorageFull,
    StorageUnavailable,
)
from service.images import Images, open_images
from service.jobs.roots import require_source
from service.settings import Settings
from service.sources import read_source
from service.storage import locate
from tests.store import BUCKET


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Images:
    place = {
        "folder": str(tmp_path),
        "file": f"file://{tmp_path}",
        "memory": f"memory://{tmp_path.name}",
        "s3": f"s3://{BUCKET}/pictures",
    }
    if request.param == "s3":
        request.getfixturevalue("store")
    return open_images(place[request.param])


def test_a_picture_is_stored_once_and_never_replaced(root: Images) -> None:
    assert root.put("a/b/c.jpg", b"one") is True
    assert root.put("a/b/c.jpg", b"one") is False
    with pytest.raises(ImagePathTaken):
        root.put("a/b/c.jpg", b"two")
    assert root.read("a/b/c.jpg") == b"one"
    root.remove("a/b/c.jpg")
    root.remove("a/b/c.jpg")
    with pytest.raises(ImageUndecodable):
        root.read("a/b/c.jpg")


def test_nothing_is_stored_outside(root: Images, tmp_path: Path) -> None:
    for path in ("../out.jpg", "a/../../out.jpg"):
        with pytest.raises(InvalidParameter):
            root.put(path, b"x")
        with pytest.raises(InvalidParameter):
            root.remove(path)
    assert not (tmp_path.parent / "out.jpg").exists()


def test_a_draft_that_a_killed_service_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".a.jpg.draft").write_bytes(b"ha")
    assert open_images(str(tmp_path)).put("a.jpg", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("service.images.folder.os.link", fail)
    root = open_images(str(tmp_path))
    assert root.put("a.jpg", b"one")
    assert root.read("a.jpg") == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_another_writer_that_comes_first_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def overtaken(draft: Path, file: Path) -> None:
        file.write_bytes(b"theirs")
        link(draft, file)

    monkeypatch.setattr("service.images.folder.os.link", overtaken)
    with pytest.raises(ImagePathTaken):
        open_images(str(tmp_path)).put("a.jpg", b"ours")
    assert (tmp_path / "a.jpg").read_bytes() == b"theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.parametrize("stores", [False, True])
def test_a_name_has_no_way_back_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stores: bool
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    named = open_images("memory://shop" if stores else "../photos").name_of(Path("../photos/a.jpg"))
    assert named == (f"{tmp_path}/photos/a.jpg" if stores else "a.jpg")


def test_names_start_at_the_root_whatever_leads_there(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "photos").symlink_to("disk")
    (tmp_path / "disk" / "out").symlink_to(tmp_path)
    root = open_images(str(tmp_path / "photos"))
    assert {root.name_of(tmp_path / folder / "a.jpg") for folder in ("photos", "disk")} == {"a.jpg"}
    outside = tmp_path / "photos" / "out" / "a.jpg"
    assert root.name_of(outside) == str(outside)


@pytest.fixture(params=["", "file://", "local://"])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder by the ways to name it. Its link leads out."""
    (tmp_path / "photos %20").mkdir()
    (tmp_path / "photos %20" / "link").symlink_to(tmp_path)
    return f"{request.param}{tmp_path}/photos %20"


def test_no_link_leads_out_of_a_folder_that_a_url_names(named: str, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    root = open_images(named)
    with pytest.raises(InvalidParameter, match="outside"):
        root.put("link/a.jpg", b"a")
    with pytest.raises(ImageUndecodable, match="outside"):
        root.read("link/secret.jpg")
    assert not (tmp_path / "a.jpg").exists()
    settings = Settings(import_roots=named)
    with pytest.raises(SourceForbidden):
        require_source(f"{named}/link", settings)
    assert require_source(named, settings)[0] == tmp_path / "photos %20"


def test_a_full_disk_leaves_nothing_half_written(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("service.images.folder.os.fsync", fail)
    with pytest.raises(StorageFull):
        open_images(named).put("a.jpg", b"one")
    assert [path.name for path in (tmp_path / "photos %20").iterdir()] == ["link"]


def test_names_are_the_same_by_whatever_way_the_folder_is_named(named: str, tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(f"image_name\nb/1.jpg\nfile://{tmp_path}/photos %20/2.jpg\n")
    table = locate(f"file://{tmp_path}/all.csv")
    items = list(read_source(table, image_root=locate(named)))
    assert [open_images(named).name_of(item.file) for item in items] == ["b/1.jpg", "2.jpg"]


def test_a_share_that_went_away_is_no_picture_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(Path, "read_bytes", fail)
    for root in ("memory://shop", str(tmp_path)):
        with pytest.raises(StorageUnavailable):
            open_images(root).read("/mnt/nas/a.jpg")
