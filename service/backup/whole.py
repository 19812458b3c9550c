"""A catalog into one file and back, with a manifest of what it is and where its pictures lie."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Engine

from service import catalog
from service.backup.archive import DUMP, Archive, Manifest, writing
from service.backup.pictures import (
    Advance,
    add_pictures,
    look_for_pictures,
    name_in_place,
    place_of,
    put_pictures,
    quietly,
)
from service.catalog import Building, build_indexes, only_switcher
from service.errors import FashionStudioError, InvalidParameter
from service.images import Images


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
    with (
        writing(file) as archive,
        tempfile.TemporaryFile("w+", encoding="utf-8", dir=archive.folder) as named,
    ):
        with catalog.snapshot(engine) as moment:
            with moment.dump(engine) as stream:
                archive.add(
                    DUMP, stream, lambda done: advance("catalog, MB", done // 1_000_000, None)
                )
            named.writelines(json.dumps(picture) + "\n" for picture in moment.pictures())
        # Behind the snapshot, which index builds wait for: a store may take hours for its pictures
        named.seek(0)
        pictures = add_pictures(
            map(json.loads, named),
            moment.rows.get("garment"),
            archive,
            images,
            with_pictures,
            advance,
        )
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
    `CatalogNotEmpty`, `RestoreFailed`, `PostgresToolsMissing`, `SchemaOutdated`, `SwitchRunning`,
    `ImagePathTaken` where another picture is in the way; then everything is as before.
    """
    with Archive(file) as archive:
        about = archive.manifest
        with only_switcher(engine):  # whose garments would be gone in the middle of its work
            catalog.require_room(engine, about.revision, about.schema, replace=replace)
            size = file.stat().st_size // 1_000_000
            archive.check(lambda done: advance("checking, MB", done // 1_000_000, size))
            put: list[str] = []
            try:
                put_pictures(archive, images, put, advance)
                mb = about.members[DUMP]["bytes"] // 1_000_000
                with archive.open(DUMP) as dump:
                    catalog.restore(
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
                        place_of(images, path).remove(name_in_place(path))
                raise
        revision = catalog.migrate(engine)  # the rows are there now, whatever comes
        build_indexes(engine, progress=building)
        pictures = look_for_pictures(archive, images) | {"restored": len(put)}
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

    folder: where a backup lies meanwhile. Raises as `back_up` and `restore`, and `InvalidParameter` where
    both are the same; the source is never changed.
    """
    if catalog.is_same(source, target):
        raise InvalidParameter(
            "The catalog is there already. FASHION_STUDIO_DATABASE_URL and FASHION_STUDIO_HOME name what is "
            "moved: set them anew only after it."
        )
    with tempfile.TemporaryDirectory(prefix="move-", dir=folder) as place:
        file = Path(place) / "catalog.backup"
        back_up(source, images, file, advance=advance)
        return restore(target, images, file, advance=advance, building=building)
