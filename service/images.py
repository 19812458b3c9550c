"""Where garments' pictures lie: names relative to the image root, and bytes by name."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import fsspec

from service.errors import ImageUndecodable, SettingsInvalid


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

    def read(self, image_path: str) -> bytes:
        """The picture's bytes. Raises `ImageUndecodable` where it is gone or leads out of the root."""
        try:
            if self.url is not None and not PurePosixPath(image_path).is_absolute():
                return self._read_url(image_path)
            return self._locate(image_path).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageUndecodable(f"The picture {image_path} cannot be read: {reason}.") from None

    def _locate(self, image_path: str) -> Path:
        if PurePosixPath(image_path).is_absolute() or self.folder is None:
            return Path(image_path)
        file = (self.folder / image_path).resolve()
        if not file.is_relative_to(self.folder.resolve()):
            raise ValueError("it lies outside the image root")
        return file

    def _read_url(self, image_path: str) -> bytes:
        if ".." in PurePosixPath(image_path).parts:
            raise ValueError("it lies outside the image root")
        filesystem, root = fsspec.core.url_to_fs(self.url)
        return filesystem.cat_file(f"{root.rstrip('/')}/{image_path}")
