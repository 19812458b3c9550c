"""Where garments' pictures lie: names relative to the image root, and bytes by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from service.images.folder import FolderImages
from service.images.objects import ObjectImages
from service.storage import Location, is_local

__all__ = ["OWN", "Images", "open_images"]

OWN = "uploads/"
"""Pictures under this folder of the image root are the service's own, and go with their garment."""


class Images(Protocol):
    """Pictures by `image_path`, which is relative to the image root.

    A picture outside of it is known by its absolute path; only the command line, run by whoever
    owns the machine, can record one. A relative name never leads out of the root, by `..` or by link.
    As a text it is the root.
    """

    @property
    def folder(self) -> Path | None:
        """The root, where it is a folder of this machine."""

    def name_of(self, file: Location) -> str:
        """The `image_path` of a file: relative where the file lies under the root, else absolute.

        Raises `SourceInvalid` for an object of a store that does not lie under the root.
        """

    def file_of(self, image_path: str) -> str | None:
        """Where the file of an `image_path` lies on this machine; None where it is an object."""

    def read(self, image_path: str) -> bytes:
        """The picture's bytes. Raises `ImageUndecodable` where it is gone or leads out of the root,
        `StorageUnavailable` where its store does not answer."""

    def size(self, image_path: str) -> int | None:
        """The picture's bytes, counted; None where it is gone or leads out of the root.

        Raises `StorageUnavailable`.
        """

    def put(self, image_path: str, data: bytes) -> bool:
        """Store a picture whole or not at all; False where these very bytes are there already.

        image_path: relative, without `..`. A picture that is there is never replaced.
        Raises `ImagePathTaken`, `StorageFull`, `StorageUnavailable`, or `InvalidParameter` where the
        path leads out of the root or is too long.
        """

    def remove(self, image_path: str) -> None:
        """Remove a picture that `put` stored; nothing happens where there is none.

        Raises `StorageUnavailable`.
        """

    def check(self) -> None:
        """Raises `StorageUnavailable` where the root cannot be reached."""


def open_images(root: str | None) -> Images:
    """The pictures under a folder, which may be a file:// URL, or under an fsspec URL; None: the current
    folder.

    A store is not reached before it is asked for a picture. Raises `SettingsInvalid` for what is no
    folder.
    """
    return FolderImages(root) if root is None or is_local(root) else ObjectImages(root)
