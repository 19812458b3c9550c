"""A catalog into one file and back, with a manifest of what it is and where its pictures lie."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import IO, Any

from sqlalchemy import Engine

from service import catalog
from service.archive import DUMP, PICTURES, Archive, ArchiveWriter, Manifest, writing
from service.catalog import Building, Snapshot, build_indexes
from service.errors import FashionStudioError, ImageUndecodable
from service.images import Images, open_images

Advance = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it, and of how much, where that is known."""


def quietly(what: str, done: int, total: int | None) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Report:
    """A backup, or what became of one. revision: the schema's, now. pictures: as they are counted."""

    file: str
    bytes: int
    revision: str
    models: list[str]
    rows: dict[str, int]
    pictures: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "bytes": self.bytes,
            "revision": self.revision,
            "models": self.models,
            "garments": self.rows.get("garment", 0),
            "rows": self.rows,
            "pictures": self.pictures,
        }


def back_up(
    engine: Engine,
    images: Images,
    file: Path,
    *,
    with_pictures: bool = False,
    advance: Advance = quietly,
) -> Report:
    """Write the catalog, as it is at one moment, into a file. An older file is replaced at the end.

    with_pictures: their bytes too, where they can be read; otherwise their paths, sizes and digests.
    Raises `StorageFull`, `BackupFailed`, `PostgresToolsMissing`, `SchemaOutdated`.
    """
    with catalog.snapshot(engine) as moment, writing(file) as archive:
        with moment.dump(engine) as stream:
            archive.add(DUMP, stream, lambda done: advance("catalog, MB", done // 1_000_000, None))
        pictures = _add_pictures(moment, archive, images, with_pictures, advance)
        archive.seal(
            Manifest(
                revision=moment.revision,
                schema=moment.schema,
                postgres=moment.postgres,
                pg_dump=moment.tools.version,
                pgvector=moment.pgvector,
                models=moment.models,
                rows=moment.rows,
                pictures=pictures,
                members=archive.members,
                made_by=f"fashion-studio {version('fashion-studio')}",
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )
    titles = [model["title"] for model in moment.models]
    size = file.stat().st_size
    return Report(str(file), size, moment.revision, titles, moment.rows, pictures)


def _add_pictures(
    moment: Snapshot, archive: ArchiveWriter, images: Images, included: bool, advance: Advance
) -> dict[str, int]:
    found = {"count": 0, "missing": 0, "bytes": 0, "included": 0}
    total = moment.rows.get("garment")
    with tempfile.TemporaryFile() as lines:
        for path, digest in moment.pictures():
            size, data = images.size(path), None
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


def restore(
    engine: Engine,
    images: Images,
    file: Path,
    *,
    replace: bool = False,
    advance: Advance = quietly,
    building: Callable[[Building], None] = lambda building: None,
) -> Report:
    """Bring a backup into an empty catalog, pictures first where it has them, then build indexes.

    replace: also into one that is not empty, and forget what is there; its pictures stay.
    The file is read to its end before anything is written. Raises `BackupInvalid`,
    `CatalogNotEmpty`, `RestoreFailed`, `PostgresToolsMissing`, `SchemaOutdated`, `ImagePathTaken`
    where another picture is in the way; then everything is as before.
    """
    with Archive(file) as archive:
        about = archive.manifest
        catalog.require_room(engine, about.revision, about.schema, replace=replace)
        size = file.stat().st_size // 1_000_000
        archive.check(lambda done: advance("checking, MB", done // 1_000_000, size))
        put: list[str] = []
        try:
            _put_pictures(archive, images, put, advance)
            mb = about.members[DUMP]["bytes"] // 1_000_000
            with archive.open(DUMP) as dump:
                revision = catalog.restore(
                    engine,
                    _Counting(dump, lambda done: advance("catalog, MB", done // 1_000_000, mb)),
                    revision=about.revision,
                    schema=about.schema,
                    rows=about.rows,
                    dumped_by=about.pg_dump,
                    replace=replace,
                )
        except BaseException:
            for path in put:
                with suppress(FashionStudioError):
                    _place(images, path).remove(_name(path))
            raise
        build_indexes(engine, progress=building)
        pictures = _look_for_pictures(archive, images) | {"restored": len(put)}
    titles = [model["title"] for model in about.models]
    return Report(str(file), file.stat().st_size, revision, titles, about.rows, pictures)


class _Counting:
    """A stream that tells how much of it was read."""

    def __init__(self, stream: IO[bytes], counted: Callable[[int], None]) -> None:
        self._stream, self._counted, self._done = stream, counted, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._done += len(data)
        self._counted(self._done)
        return data


def _put_pictures(archive: Archive, images: Images, put: list[str], advance: Advance) -> None:
    """Write the pictures that are not there yet, noting them in `put`."""
    total = archive.manifest.pictures["included"]
    if not total:
        return
    for done, picture in enumerate(archive.pictures(), start=1):
        data = archive.picture(picture.sha256) if picture.sha256 is not None else None
        if data is not None and _place(images, picture.image_path).put(
            _name(picture.image_path), data
        ):
            put.append(picture.image_path)
        advance("pictures", done, archive.manifest.pictures["count"])


def _look_for_pictures(archive: Archive, images: Images) -> dict[str, int]:
    """How many pictures lie where the catalog says, as large as they were."""
    found = {"in_place": 0, "missing": 0, "other": 0}
    for picture in archive.pictures():
        size = images.size(picture.image_path)
        same = size is not None and picture.bytes in (None, size)
        found["in_place" if same else "missing" if size is None else "other"] += 1
    return found


def _place(images: Images, image_path: str) -> Images:
    """What `_name` starts at: the image root, or the root of all files for an absolute path."""
    anchor = PurePath(image_path).anchor
    return open_images(anchor) if anchor else images


def _name(image_path: str) -> str:
    path = PurePath(image_path)
    return path.relative_to(path.anchor).as_posix()


def move(
    source: Engine,
    target: Engine,
    images: Images,
    folder: Path,
    *,
    advance: Advance = quietly,
    building: Callable[[Building], None] = lambda building: None,
) -> Report:
    """A copy of the catalog in another, empty database; pictures stay where they are.

    folder: where a backup lies meanwhile. Raises as `back_up` and `restore`; the source is never
    changed.
    """
    with tempfile.TemporaryDirectory(prefix="move-", dir=folder) as place:
        file = Path(place) / "catalog.backup"
        back_up(source, images, file, advance=advance)
        return restore(target, images, file, advance=advance, building=building)
