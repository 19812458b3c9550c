"""What an import over HTTP may read: sources in the folders that are set, with names that can be kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from service.errors import ImportsDisabled, SourceForbidden, SourceInvalid
from service.extent import Gone
from service.images import open_images
from service.ingest import ingest
from service.jobs import request_import
from service.jobs.roots import require_source
from service.settings import Settings
from service.sources import read_source
from service.studio import Studio
from tests.pictures import encoded, picture
from tests.test_ingest import counts

from .test_jobs import jobs


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def studio(settings: Settings, source: Path) -> Iterator[Studio]:
    """A studio whose imports may read what lies beside the source."""
    with Studio(settings.model_copy(update={"import_roots": (source.parent,)})) as studio:
        yield studio


def test_sources_are_confined_to_the_roots(studio: Studio, source: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    (source / "link").symlink_to(outside)
    for bad in (
        "photos",
        str(outside),
        str(source / ".." / ".." / "outside"),
        str(source / "link"),
    ):
        with pytest.raises(SourceForbidden, match="IMPORT_ROOTS"):
            request_import(studio, bad, "given")
    with pytest.raises(SourceInvalid, match="does not exist"):
        request_import(studio, str(source / "gone"), "given")
    assert jobs(studio.engine) == []
    closed = Studio(studio.settings.model_copy(update={"import_roots": ()}))
    with closed, pytest.raises(ImportsDisabled, match="FASHION_STUDIO_IMPORT_ROOTS"):
        request_import(closed, str(source), "given")


def test_a_url_of_another_kind_than_the_roots_is_not_even_tried(studio: Studio) -> None:
    settings = studio.settings.model_copy(update={"import_roots": ("memory://shop",)})
    for source in ("nothing://x", "ftp://127.0.0.1:9/x", "file:///etc"):
        with pytest.raises(SourceForbidden, match="IMPORT_ROOTS"):
            require_source(source, settings)


def test_a_name_that_is_not_utf8_is_refused(studio: Studio, source: Path) -> None:
    """Behind a link, since no JSON says it: an import's record could not hold it."""
    folder = source / os.fsdecode(b"\xff")
    folder.mkdir()
    (source / "link").symlink_to(folder)
    with pytest.raises(SourceInvalid, match=r"link leads to .* not UTF-8\. Rename that"):
        request_import(studio, str(source / "link"), "given")
    assert jobs(studio.engine) == []
    with studio.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM import_run")) == 0


def test_photos_behind_a_link_are_the_same_garments_by_either_name(
    studio: Studio, source: Path, tmp_path: Path
) -> None:
    """An import over HTTP has the links of its source resolved."""
    for number in range(3):
        (source / f"{number}.png").write_bytes(encoded(picture(60, 80, number)))
    link = tmp_path / "link"
    link.symlink_to(source)
    studio.images = open_images(str(link))
    assert counts(ingest(studio, link)) == (3, 3, 0, 0, 0)
    resolved, _ = require_source(str(link), studio.settings)
    assert resolved == source.resolve() != link
    assert counts(ingest(studio, resolved)) == (3, 0, 0, 3, 0)
    (source / "1.png").unlink()
    for folder in (link, resolved):
        gone = Gone(studio.engine, studio.images, folder)
        assert (gone.total, [garment.image_path for garment in gone.garments]) == (3, ["1.png"])


def test_photos_of_a_linked_folder_keep_in_step_and_over_http_are_none(
    studio: Studio, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nas = tmp_path_factory.mktemp("nas")
    for number in range(3):
        (nas / f"{number}.png").write_bytes(encoded(picture(60, 80, number)))
    (source / "tee").symlink_to(nas)
    assert counts(ingest(studio, source)) == (3, 3, 0, 0, 0)
    (nas / "1.png").unlink()
    (nas / "2.png").rename(nas / "moved.png")
    summary = ingest(studio, source, prune=Gone.prune)
    assert (summary.moved, summary.pruned) == (1, [str(source / "tee" / "1.png")])
    resolved, roots = require_source(str(source), studio.settings)
    (source / "top").mkdir()
    (source / "top" / "4.png").write_bytes(encoded(picture(60, 80, 4)))
    (source / "dress").symlink_to(source / "top")
    items = [item.name for item in read_source(resolved, roots=roots)]
    assert items == ["dress/4.png", "top/4.png"]
