"""A backup as one file: a zip archive, written whole or not at all, checked to the last byte.

`manifest.json` says what it is; `catalog.dump` is pg_dump's; `pictures.jsonl` names every garment's
picture with its size and SHA-256; `pictures/` has the pictures themselves, by their SHA-256, where they
were asked for. The manifest is written last, and a zip's directory after that: a file that was cut off
has neither.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

from service.disks import FULL
from service.errors import BackupFailed, BackupInvalid, StorageFull

FORMAT = 1
MANIFEST, DUMP, PICTURES = "manifest.json", "catalog.dump", "pictures.jsonl"
CHUNK = 1 << 20
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    NotImplementedError,
)

Counted = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is. rows: of each table. models: title, content_sha256, serving of each bundle.

    pictures: count, missing, bytes, included. members: bytes and sha256 of the other files within.
    """

    revision: str
    schema: str
    postgres: int
    pg_dump: int
    pgvector: str
    models: list[dict[str, Any]]
    rows: dict[str, int]
    pictures: dict[str, int]
    members: dict[str, dict[str, Any]]
    made_by: str
    created_at: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Picture:
    """A garment's picture. bytes, sha256: None where it was gone, or its digest was never known."""

    image_path: str
    bytes: int | None
    sha256: str | None


class ArchiveWriter:
    """The files of a backup, one after another.

    folder: where it comes to lie, and what it needs meanwhile.
    """

    def __init__(self, archive: zipfile.ZipFile, folder: Path) -> None:
        self._archive = archive
        self.folder = folder
        self.members: dict[str, dict[str, Any]] = {}

    def add(self, name: str, stream: IO[bytes], counted: Counted, *, packed: bool = False) -> None:
        """A file, as it comes. counted: called with the bytes so far."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(_entry(name, packed), "w", force_zip64=True) as member:
            while chunk := stream.read(CHUNK):
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                counted(size)
        self.members[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def add_picture(self, data: bytes) -> str:
        """A picture, once however often it is added; returns its SHA-256."""
        digest = hashlib.sha256(data).hexdigest()
        name = f"pictures/{digest}"
        if name not in self._archive.NameToInfo:
            self._archive.writestr(_entry(name), data)
        return digest

    def seal(self, manifest: Manifest) -> None:
        document = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
        self._archive.writestr(_entry(MANIFEST, packed=True), document)


def _entry(name: str, packed: bool = False) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    entry.external_attr = 0o600 << 16
    return entry


@contextmanager
def writing(file: Path) -> Iterator[ArchiveWriter]:
    """A new backup, which takes its name once it is whole; an older one stays until then.

    Raises `StorageFull`, `BackupFailed` where the place cannot be written, or is being written.
    """
    file = Path(os.path.realpath(file))  # what a link leads to is replaced, not the link
    if file.exists() and not file.is_file():
        raise BackupFailed(f"{file} is there, and is no file. Name another one.")
    draft = file.with_name(f".{file.name}.draft")
    try:
        with open(_begin(draft, file), "w+b") as target:
            try:
                with zipfile.ZipFile(target, "w") as archive:
                    yield ArchiveWriter(archive, file.parent)
                target.flush()
                os.fsync(target.fileno())
                os.replace(draft, file)
            finally:
                draft.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"There is no room for {file}. Nothing was written.") from None
        raise BackupFailed(f"{file} cannot be written: {error.strerror or error}.") from None


def _begin(draft: Path, file: Path) -> int:
    """The handle of a new file, locked while it is open; one that a killed backup has left makes way."""
    with suppress(FileNotFoundError):
        left = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            _lock(left, file)
            draft.unlink()
        finally:
            os.close(left)
    # For the owner alone: it has what keys are checked by
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    _lock(handle, file)
    return handle


def _lock(handle: int, file: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupFailed(f"Another backup is writing {file}. Wait until it is done.") from None


class Archive:
    """A backup to read from. Raises `BackupInvalid` where it is none, or of a later version."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._archive = zipfile.ZipFile(file)
        except OSError as error:
            raise BackupInvalid(f"{file} cannot be read: {error.strerror or error}.") from None
        except BROKEN:
            raise self._broken("it is none, or was cut off") from None
        try:
            document = json.loads(self._archive.read(MANIFEST))
            if document["format"] > FORMAT:
                raise BackupInvalid(
                    f"{file} was made by a newer version ({document['made_by']}). "
                    "Upgrade Fashion Studio."
                )
            self.manifest = Manifest(**document)
            named = set(self.manifest.members)
            if not {DUMP, PICTURES} <= named <= set(self._archive.namelist()):
                raise KeyError
        except BROKEN:
            self._archive.close()
            raise self._broken("its manifest does not fit it") from None

    def check(self, counted: Counted) -> None:
        """Read it to the end. counted: called with the bytes so far. Raises `BackupInvalid`."""
        done = 0
        try:
            for entry in self._archive.infolist():
                digest = hashlib.sha256()
                with self._archive.open(entry) as member:
                    while chunk := member.read(CHUNK):
                        digest.update(chunk)
                        done += len(chunk)
                        counted(done)
                folder, _, name = entry.filename.rpartition("/")
                if entry.filename in self.manifest.members:
                    name = self.manifest.members[entry.filename]["sha256"]
                elif folder != "pictures":
                    continue  # the manifest, which the zip's own checksum covers
                if digest.hexdigest() != name:
                    raise self._broken(f"{entry.filename} is damaged")
        except OSError as error:
            raise BackupInvalid(f"{self.file} cannot be read: {error.strerror or error}.") from None
        except BROKEN:
            raise self._broken("it is damaged") from None

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)

    def pictures(self) -> Iterator[Picture]:
        """Every garment's picture, by the garment's id."""
        with self._archive.open(PICTURES) as lines:
            for line in lines:
                yield Picture(**json.loads(line))

    def picture(self, sha256: str) -> bytes | None:
        """The bytes of a picture; None where it is not in the backup."""
        name = f"pictures/{sha256}"
        return self._archive.read(name) if name in self._archive.NameToInfo else None

    def _broken(self, why: str) -> BackupInvalid:
        return BackupInvalid(f"{self.file} is no whole backup: {why}. Nothing was restored.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()
