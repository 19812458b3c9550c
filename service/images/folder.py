"""Pictures in a folder of this machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from service.disks import FULL
from service.errors import (
    ImagePathTaken,
    ImageUndecodable,
    InvalidParameter,
    SettingsInvalid,
    SourceInvalid,
    StorageFull,
    StorageUnavailable,
)
from service.storage import Location, lies_in, locate, read_bytes

IN_THE_WAY = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
WITHOUT_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # FAT and some network folders


class FolderImages:
    """See `Images`. A picture that was half written when the machine stopped lies under another name,
    and is overwritten by the next."""

    def __init__(self, root: str | None) -> None:
        self.folder = Path(os.path.abspath(str(locate(root or "."))))
        if root is not None and not os.path.isdir(self.folder):
            raise SettingsInvalid(f"FASHION_STUDIO_IMAGE_ROOT={root} is no folder.")

    def __str__(self) -> str:
        return str(self.folder)

    def name_of(self, file: Location) -> str:
        if not isinstance(file, Path):
            raise outside(file, self)
        absolute = Path(os.path.abspath(file))
        # Imports over HTTP resolve links of their source, which the root may lie behind
        for root in (self.folder, Path(os.path.realpath(self.folder))):
            if absolute.is_relative_to(root) and lies_in(absolute, (root,)):
                return absolute.relative_to(root).as_posix()
        return absolute.as_posix()

    def file_of(self, image_path: str) -> str | None:
        return os.path.join(self.folder, image_path)

    def read(self, image_path: str) -> bytes:
        with reading(image_path):
            try:
                return read_bytes(self._locate(image_path))
            except FileNotFoundError:
                self.check()  # of a folder that is gone, every picture is
                raise

    def size(self, image_path: str) -> int | None:
        try:
            return self._locate(image_path).stat().st_size
        except (OSError, ValueError):
            return None

    def put(self, image_path: str, data: bytes) -> bool:
        with storing(image_path):
            file = self._locate(image_path)
            if file.exists() or file.is_symlink():
                return same(image_path, file.read_bytes(), data)
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".{file.name}.draft")
            try:
                _write(draft, data)
                _publish(draft, file)
            except FileExistsError:
                return same(image_path, file.read_bytes(), data)
            finally:
                draft.unlink(missing_ok=True)
            _sync(file.parent)
            return True

    def remove(self, image_path: str) -> None:
        with storing(image_path):
            self._locate(image_path).unlink(missing_ok=True)

    def check(self) -> None:
        if not os.path.isdir(self.folder):  # `Path.is_dir` raises where a share is gone
            raise StorageUnavailable(f"The folder {self.folder} is gone: pictures cannot be shown.")

    def _locate(self, image_path: str) -> Path:
        if PurePosixPath(image_path).is_absolute():
            return Path(image_path)
        try:
            file = (self.folder / image_path).resolve()
        except RuntimeError:  # Python 3.13 leaves such links as they are
            raise ValueError("it is a link to itself") from None
        if not file.is_relative_to(self.folder.resolve()):
            raise ValueError("it lies outside the image root")
        return file


def outside(file: Location, root: object) -> SourceInvalid:
    return SourceInvalid(
        f"{file} does not lie under the image root, {root}, from where its picture would be shown. "
        "Set FASHION_STUDIO_IMAGE_ROOT to a URL that the photos lie under."
    )


def same(image_path: str, there: bytes, data: bytes) -> bool:
    """False. Raises `ImagePathTaken` where other bytes are there."""
    if there != data:
        raise ImagePathTaken(f"There is another picture at {image_path}. Choose another path.")
    return False


@contextmanager
def reading(image_path: str) -> Iterator[None]:
    """What keeps a picture from being read, said of this picture."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageUndecodable(f"The picture {image_path} cannot be read: {reason}.") from None


@contextmanager
def storing(image_path: str) -> Iterator[None]:
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
