"""Pictures in an object store, or whatever else fsspec reaches by a URL."""

from __future__ import annotations

import errno
import os
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from service.errors import StorageUnavailable
from service.images.folder import outside, reading, same, storing
from service.storage import Location, locate, read_bytes
from service.stores import FLAT, call

if TYPE_CHECKING:
    from upath import UPath

PROBE_SECONDS = 2.0  # that a check of the root may take


class ObjectImages:
    """See `Images`. A store shows an object once it is whole; that one is never replaced is left to the
    store's own conditional write, where it has one (S3 does)."""

    folder = None

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def __str__(self) -> str:
        return self.url

    def name_of(self, file: Location) -> str:
        if isinstance(file, Path):
            return Path(os.path.abspath(file)).as_posix()
        if file.protocol != self._root.protocol or not file.is_relative_to(self._root):
            raise outside(file, self)
        return file.path[len(self._root.path) :].lstrip("/")

    def file_of(self, image_path: str) -> str | None:
        return image_path if _is_on_this_machine(image_path) else None

    def read(self, image_path: str) -> bytes:
        with reading(image_path):
            if _is_on_this_machine(image_path):
                return read_bytes(Path(image_path))
            data: bytes = call(self._at(image_path), "cat_file")
            return data

    def size(self, image_path: str) -> int | None:
        try:
            if _is_on_this_machine(image_path):
                return Path(image_path).stat().st_size
            return int(call(self._at(image_path), "info")["size"])
        except (OSError, ValueError):
            return None

    def put(self, image_path: str, data: bytes) -> bool:
        with storing(image_path):
            place = self._at(image_path)
            if self._root.protocol not in FLAT:
                call(place.parent, "makedirs", exist_ok=True)
            try:
                call(place, "pipe_file", data, mode="create")
            except FileExistsError:
                return same(image_path, call(place, "cat_file"), data)
            return True

    def remove(self, image_path: str) -> None:
        with storing(image_path):
            try:
                call(self._at(image_path), "rm_file")
            except FileNotFoundError:
                return

    def check(self) -> None:
        try:
            call(self._root, "info", seconds=PROBE_SECONDS)
        except FileNotFoundError:  # no picture yet; a bucket must be there
            bucket = self._root.drive
            if self._root.protocol in FLAT and not call(
                self._root, "exists", of=bucket, seconds=PROBE_SECONDS
            ):
                raise StorageUnavailable(f"There is no bucket {bucket}.") from None
        except OSError as error:
            raise StorageUnavailable(f"{self} cannot be read: {error}.") from None

    @cached_property
    def _root(self) -> UPath:
        """Made when it is needed: a connection does not outlive a fork."""
        root = locate(self.url)
        assert not isinstance(root, Path)
        return root

    def _at(self, image_path: str) -> UPath:
        if ".." in PurePosixPath(image_path).parts:
            raise ValueError("it lies outside the image root")
        if len(image_path.encode()) > 900:  # with the root: S3 takes 1,024 bytes
            raise OSError(errno.ENAMETOOLONG, "the name is too long")
        return self._root / image_path


def _is_on_this_machine(image_path: str) -> bool:
    return PurePosixPath(image_path).is_absolute()
