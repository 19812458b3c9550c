"""Where garments' pictures lie: names relative to the image root, and bytes by name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from service.errors import (
    ImagePathTaken,
    ImageUndecodable,
    InvalidParameter,
    SettingsInvalid,
    StorageFull,
    StorageUnavailable,
)

FULL = (errno.ENOSPC, errno.EDQUOT)
IN_THE_WAY = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
WITHOUT_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # FAT and some network folders

OWN = "uploads/"
"""Pictures under this folder of the image root are the service's own, and go with their garment."""


class ImageRoot:
    """The folder or fsspec URL that `image_path` is relative to.

    A picture outside the folder is known by its absolute path; only the command line, run by whoever
    owns the machine, can record one. A relative name never leads out of the root, by `..` or by link.
    """

    def __init__(self, root: str | None) -> None:
        self.url = root if root is not None and "://" in root else None
        self.folder = None if self.url else Path(root or ".").expanduser().absolute()
        if root is not None and self.folder is not None and not self.folder.is_dir():
            raise SettingsInvalid(f"FASHION_STUDIO_IMAGE_ROOT={root} is no folder.")

    def name_of(self, file: Path) -> str:
        """The `image_path` of a file: relative where the file lies under the root, else absolute."""
        absolute = Path(os.path.abspath(file))
        if (
            self.folder is not None
            and absolute.is_relative_to(self.folder)
            and absolute.resolve().is_relative_to(self.folder.resolve())
        ):
            return absolute.relative_to(self.folder).as_posix()
        return absolute.as_posix()

    def file_of(self, image_path: str) -> str | None:
        """Where the file of an `image_path` lies on this machine; None under a URL."""
        if os.path.isabs(image_path):
            return image_path
        return None if self.folder is None else os.path.join(self.folder, image_path)

    def read(self, image_path: str) -> bytes:
        """The picture's bytes. Raises `ImageUndecodable` where it is gone or leads out of the root."""
        try:
            if self.url is not None and not PurePosixPath(image_path).is_absolute():
                return self._read_url(image_path)
            return self._locate(image_path).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageUndecodable(f"The picture {image_path} cannot be read: {reason}.") from None

    def size(self, image_path: str) -> int | None:
        """The picture's bytes, counted; None where it is gone or leads out of the root."""
        try:
            if self.url is not None and not PurePosixPath(image_path).is_absolute():
                filesystem, path = self._at_url(image_path)
                return filesystem.size(path)
            return self._locate(image_path).stat().st_size
        except (OSError, ValueError):
            return None

    def put(self, image_path: str, data: bytes) -> bool:
        """Store a picture whole or not at all; False where these very bytes are there already.

        image_path: relative, without `..`. A picture that is there is never replaced. One that was
        half written when the machine stopped lies under another name, and is overwritten by the next.
        Raises `ImagePathTaken`, `StorageFull`, `StorageUnavailable`, or `InvalidParameter` where the
        path leads out of the root or is too long.
        """
        with _storing(image_path):
            if self.folder is None:
                return self._put_url(image_path, data)
            file = self._locate(image_path)
            if file.exists() or file.is_symlink():
                return _same(image_path, file.read_bytes(), data)
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".{file.name}.draft")
            try:
                _write(draft, data)
                _publish(draft, file)
            except FileExistsError:
                return _same(image_path, file.read_bytes(), data)
            finally:
                draft.unlink(missing_ok=True)
            _sync(file.parent)
            return True

    def remove(self, image_path: str) -> None:
        """Remove a picture that `put` stored; nothing happens where there is none.

        Raises `StorageUnavailable`.
        """
        with _storing(image_path):
            if self.folder is not None:
                self._locate(image_path).unlink(missing_ok=True)
                return
            filesystem, path = self._at_url(image_path)
            if filesystem.exists(path):
                filesystem.rm_file(path)

    def _locate(self, image_path: str) -> Path:
        if PurePosixPath(image_path).is_absolute() or self.folder is None:
            return Path(image_path)
        file = (self.folder / image_path).resolve()
        if not file.is_relative_to(self.folder.resolve()):
            raise ValueError("it lies outside the image root")
        return file

    def _read_url(self, image_path: str) -> bytes:
        filesystem, path = self._at_url(image_path)
        return filesystem.cat_file(path)

    def _put_url(self, image_path: str, data: bytes) -> bool:
        """Object stores show an object once it is whole."""
        filesystem, path = self._at_url(image_path)
        if filesystem.exists(path):
            return _same(image_path, filesystem.cat_file(path), data)
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        filesystem.pipe_file(path, data)
        return True

    def _at_url(self, image_path: str) -> tuple[Any, str]:
        if ".." in PurePosixPath(image_path).parts:
            raise ValueError("it lies outside the image root")
        filesystem, root = fsspec.core.url_to_fs(self.url)
        return filesystem, f"{root.rstrip('/')}/{image_path}"


def _write(draft: Path, data: bytes) -> None:
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _publish(draft: Path, file: Path) -> None:
    """Give the draft its name, never another picture's. Raises FileExistsError."""
    try:
        os.link(draft, file)
    except OSError as error:
        if error.errno not in WITHOUT_LINKS:
            raise
        os.rename(draft, file)


def _sync(folder: Path) -> None:
    """Let the name survive a power cut too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _same(image_path: str, there: bytes, data: bytes) -> bool:
    if there != data:
        raise ImagePathTaken(f"There is another picture at {image_path}. Choose another path.")
    return False


@contextmanager
def _storing(image_path: str) -> Iterator[None]:
    """What the file system refuses, said of this picture."""
    try:
        yield
    except ValueError as error:
        raise InvalidParameter(f"image_path={image_path} cannot be used: {error}.") from None
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull() from error
        if error.errno in IN_THE_WAY:
            raise ImagePathTaken(f"There is something else in the way of {image_path}.") from None
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidParameter("image_path is longer than a file name may be.") from None
        raise StorageUnavailable(
            f"The picture {image_path} cannot be stored: {error.strerror or error}."
        ) from error
