"""The pictures of a backup: their bytes and digests in, and back to where they lay."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import PurePath
from typing import TypeVar

from service.backup.archive import PICTURES, Archive, ArchiveWriter
from service.errors import ImageUndecodable
from service.images import Images, open_images
from service.stores import FETCHERS

Thing = TypeVar("Thing")

Advance = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it, and of how much, where that is known."""


def quietly(what: str, done: int, total: int | None) -> None:
    """Tells nobody."""


def add_pictures(
    named: Iterator[tuple[str, str | None]],
    total: int | None,
    archive: ArchiveWriter,
    images: Images,
    included: bool,
    advance: Advance,
) -> dict[str, int]:
    """Put in what is known of the pictures and, where that is asked, their bytes; returns the counts.

    named: (image_path, hex digest) of each garment. total: how many there are.
    """
    found = {"count": 0, "missing": 0, "bytes": 0, "included": 0}
    with tempfile.TemporaryFile(dir=archive.folder) as lines:
        for (path, digest), size in _sized(images, named, lambda one: one[0]):
            data = None
            if included and size is not None:
                with suppress(ImageUndecodable):
                    data = images.read(path)
            if data is not None:
                size, digest = len(data), archive.add_picture(data)
            line = {"image_path": path, "bytes": size, "sha256": digest}
            lines.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            found["count"] += 1
            found["missing"] += size is None
            found["bytes"] += size or 0
            found["included"] += data is not None
            advance("pictures", found["count"], total)
        lines.seek(0)
        archive.add(PICTURES, lines, lambda done: None, packed=True)
    return found


def put_pictures(archive: Archive, images: Images, put: list[str], advance: Advance) -> None:
    """Write the pictures that are not there yet, noting them in `put`."""
    total = archive.manifest.pictures["included"]
    if not total:
        return
    for done, picture in enumerate(archive.pictures(), start=1):
        data = archive.picture(picture.sha256) if picture.sha256 is not None else None
        if data is not None and place_of(images, picture.image_path).put(
            name_in_place(picture.image_path), data
        ):
            put.append(picture.image_path)
        advance("pictures", done, archive.manifest.pictures["count"])


def look_for_pictures(archive: Archive, images: Images) -> dict[str, int]:
    """How many pictures lie where the catalog says, as large as they were."""
    found = {"in_place": 0, "missing": 0, "other": 0}
    for picture, size in _sized(images, archive.pictures(), lambda one: one.image_path):
        same = size is not None and picture.bytes in (None, size)
        found["in_place" if same else "missing" if size is None else "other"] += 1
    return found


def _sized(
    images: Images, things: Iterator[Thing], path: Callable[[Thing], str]
) -> Iterator[tuple[Thing, int | None]]:
    """Each with its picture's bytes, several asked for at once: a store answers in its own time."""
    with ThreadPoolExecutor(FETCHERS) as pool:
        while chunk := list(itertools.islice(things, 1000)):
            yield from zip(chunk, pool.map(lambda one: images.size(path(one)), chunk), strict=True)


def place_of(images: Images, image_path: str) -> Images:
    """What `name_in_place` starts at: the image root, or the root of all files for an absolute path."""
    anchor = PurePath(image_path).anchor
    return open_images(anchor) if anchor else images


def name_in_place(image_path: str) -> str:
    """A picture's path from there."""
    path = PurePath(image_path)
    return path.relative_to(path.anchor).as_posix()
