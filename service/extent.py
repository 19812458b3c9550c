"""Which garments a source answers for, and those of them whose photo is gone.

A source's extent is its folder: the folder itself, or the one that a table's paths start at. Garments
whose photo would lie in there are the source's, however they came in; those of other folders, those
taken in over HTTP, and those imported without a photo are not.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

from service.catalog import Filed, filed_garments, forget_garments
from service.errors import PruneRefused
from service.images import OWN, Images
from service.sources import files_in
from service.storage import Location
from service.stores import reached

if TYPE_CHECKING:
    from upath import UPath


class Gone:
    """The garments of an extent whose photo is gone, until they are found elsewhere.

    total: all garments of the extent. Safe to use from several threads.
    """

    def __init__(self, engine: Engine, images: Images, folder: Location) -> None:
        """Raises `StorageUnavailable`, and `SourceInvalid` as `Images.name_of`."""
        self.folder = folder
        self._engine, self._images = engine, images
        self._mutex = threading.Lock()
        self.look_again()

    def look_again(self) -> None:
        """As of now: what was claimed and not stored is gone again."""
        self.total = 0
        self._by_digest: dict[str, list[Filed]] = defaultdict(list)
        self._found: set[str] = set()
        extent = self._extent()
        for garment in filed_garments(self._engine):
            if garment.image_path.startswith(OWN) or not extent.includes(garment.image_path):
                continue
            self.total += 1
            if extent.lacks(garment.image_path):
                self._by_digest[garment.content_sha256].append(garment)

    def claim(self, sha256: str, image_path: str) -> Filed | None:
        """The garment of these bytes, if its photo is gone: so this is it, moved. Of several the one
        with the same file name. It counts as gone no more."""
        with self._mutex:
            found = self._by_digest.get(sha256)
            if not found or image_path in self._found:  # a source may list a path twice
                return None
            name = image_path.rpartition("/")[2]
            same = (g for g in found if g.image_path.rpartition("/")[2] == name)
            garment = next(same, found[0])
            found.remove(garment)
            self._found.add(image_path)
            return garment

    @property
    def digests(self) -> frozenset[str]:
        """The SHA-256 of those, which may be found elsewhere."""
        with self._mutex:
            return frozenset(digest for digest, found in self._by_digest.items() if found)

    @property
    def garments(self) -> list[Filed]:
        """Those that were not found elsewhere, by id."""
        with self._mutex:
            left = [garment for found in self._by_digest.values() for garment in found]
        return sorted(left, key=lambda garment: garment.id)

    def prune(self, *, more_than_half: bool = False) -> list[str]:
        """Remove the garments whose photo is still gone; returns their paths.

        Raises `PruneRefused` where they are more than half of the extent, unless that is meant: a
        folder that is not mounted looks like one from which everything was deleted.
        """
        garments = self.garments
        if not garments:
            return []
        extent = self._extent()
        left = [garment for garment in garments if extent.lacks(garment.image_path)]
        if len(left) > self.total / 2 and not more_than_half:
            raise PruneRefused(
                f"{len(left)} of the {self.total} garments of {self.folder} have lost their photos, "
                "which is more than half. Nothing was pruned. If they are to go, add --more-than-half."
            )
        return forget_garments(self._engine, left) if left else []

    def _extent(self) -> _Extent:
        if isinstance(self.folder, Path):
            return _OfFolder(self._images, self.folder)
        return _OfStore(self._images, self.folder)


class _Extent(Protocol):
    def includes(self, image_path: str) -> bool:
        """Whether it would lie in there."""

    def lacks(self, image_path: str) -> bool:
        """Certainly: one that cannot be looked at may be there."""


class _OfFolder:
    """Each file is looked at when it is asked for."""

    def __init__(self, images: Images, folder: Path) -> None:
        self._images = images
        # By way of the root, which `file_of` starts at, whichever links led here
        named = images.file_of(images.name_of(folder)) or folder
        places = {os.path.abspath(folder), os.path.realpath(folder), os.path.abspath(named)}
        self._inside = tuple(os.path.join(place, "") for place in places)

    def includes(self, image_path: str) -> bool:
        file = self._images.file_of(image_path)
        return file is not None and file.startswith(self._inside)

    def lacks(self, image_path: str) -> bool:
        try:
            os.stat(self._images.file_of(image_path) or "")
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return False


class _OfStore:
    """Listed once: a list of thousands of objects takes a store as long as a look at one."""

    def __init__(self, images: Images, folder: UPath) -> None:
        inside = images.name_of(folder)
        self._inside = f"{inside}/" if inside else ""
        with reached(str(folder)):
            self._names = {images.name_of(file) for file in files_in(folder)}

    def includes(self, image_path: str) -> bool:
        return not image_path.startswith("/") and image_path.startswith(self._inside)

    def lacks(self, image_path: str) -> bool:
        return image_path not in self._names
