"""Which photos a bundle learnt from, so that figures of these are not taken for figures of others."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.encoder import place_of
from service.encoder.bundle import CARD, LEARNT, Card, read_card
from service.errors import BundleInvalid
from service.storage import each, known_size
from service.training.data import Sample
from service.training.weights import IMAGENET, NOTHING

MARK = np.dtype("<u4")
TOLERATED = 0.01  # of a source's photos
OTHERS = range(1, 9)  # bytes that a file is taken to be longer, to see what is known by accident


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a bundle says of the photos that it learnt from.

    title: the bundle's. marks: (n,) uint32, of each photo's name and size, so that it is known wherever
    it lies. whole: false where it began with weights that do not say which photos they are of.
    groups: the columns that held photos together.
    """

    title: str
    marks: np.ndarray
    whole: bool
    groups: tuple[str, ...] = ()

    def doubt(self, samples: Sequence[Sample]) -> str | None:
        """Why figures of these photos flatter; None where it learnt from none of them.

        By accident, too, a photo has the name and the size of one learnt from, above all where each
        garment's folder has a `1.jpg`: as often, about, as at sizes that are a few bytes off, so that
        only what is known beyond that counts. Raises `StorageUnavailable`.
        """
        said = []
        photos = _photos(samples) if len(self.marks) else {}
        for source, own in photos.items():
            known = self._known(own)
            accident = float(np.mean([self._known(own, longer) for longer in OTHERS]))
            deviation = math.sqrt(accident + 1 / len(OTHERS))
            if known - accident > max(TOLERATED * len(own), 3 * deviation):
                said.append(f"{known} of the {len(own)} photos of {source}")
        if said:
            groups = "".join(f" --group {name}" for name in self.groups)
            return (
                f"{self.title} learnt from {' and '.join(said)}: figures of what it knows flatter. Of the "
                f"--data that it was trained on{groups and f', with{groups},'} others are held out."
            )
        if not self.whole:
            return (
                f"{self.title} does not say which photos it learnt from, or began with weights that do not. "
                "Where these are among them, figures flatter."
            )
        return None

    def _known(self, photos: Sequence[tuple[str, int]], longer: int = 0) -> int:
        return int(np.isin([_mark(name, size + longer) for name, size in photos], self.marks).sum())


def learnt_by(bundle: Path, card: Card) -> Learnt:
    """What the bundle at `bundle` says. Raises `BundleInvalid`."""
    said, groups = card.training.get("learnt"), tuple(card.training.get("groups", ()))
    if said is None:
        return Learnt(card.title, np.empty(0, MARK), False, groups)
    try:
        data = (bundle / LEARNT).read_bytes()
    except OSError as error:
        raise BundleInvalid(f"{bundle / LEARNT} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(data).hexdigest() != said["sha256"]:
        raise BundleInvalid(f"{bundle / LEARNT} was altered: its hash is not the card's.")
    return Learnt(card.title, np.frombuffer(data, MARK), bool(said.get("whole")), groups)


def learnt_before(origin: str) -> Learnt:
    """What first weights are of; origin: as `--weights` has it. Raises `BundleInvalid`.

    Of ImageNet's weights nothing is asked: its photos are others.
    """
    if origin not in (NOTHING, IMAGENET):
        place = place_of(origin)
        if (place / CARD).is_file():
            return learnt_by(place, read_card(place))
        return Learnt(place.name, np.empty(0, MARK), False)
    return Learnt(origin, np.empty(0, MARK), True)


def written(samples: Sequence[Sample], before: Learnt) -> tuple[bytes, dict[str, Any]]:
    """What a bundle keeps of the photos that it learnt from, and what its card says of that.

    before: what its first weights are of, it learnt from as well. Raises `StorageUnavailable`.
    """
    own = [_mark(*photo) for photos in _photos(samples).values() for photo in photos]
    found = np.union1d(np.array(own, MARK), before.marks).astype(MARK)
    data = found.tobytes()
    digest = hashlib.sha256(data).hexdigest()
    return data, {"photos": len(found), "whole": before.whole, "sha256": digest}


def _photos(samples: Sequence[Sample]) -> dict[str, list[tuple[str, int]]]:
    """Name and size of each that can be looked at, source by source."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for sample, size in zip(samples, each(known_size, [s.file for s in samples]), strict=True):
        if size is not None:
            found[sample.source].append((sample.file.name, size))
    return found


def _mark(name: str, size: int) -> int:
    digest = hashlib.sha256(f"{size}/{name}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[: MARK.itemsize], "little")
