"""Which photos a bundle learnt from, so that figures of these are not taken for figures of others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.encoder.bundle import CARD, LEARNT, Card, read_card
from service.errors import BundleInvalid
from service.storage import each, known_size
from service.training.data import Sample
from service.training.weights import place_of

MARK = np.dtype("<u4")
TOLERATED = 0.01  # of photos: some may have a name and a size that are those of one learnt from


def marks(samples: Sequence[Sample]) -> np.ndarray:
    """(n,) uint32 by which photos are known again, wherever they lie: of each one's name and size.

    Zero for a file that cannot be looked at. Raises `StorageUnavailable`.
    """
    files = [sample.file for sample in samples]
    return np.array(
        [_mark(file.name, size) for file, size in zip(files, each(known_size, files), strict=True)],
        MARK,
    )


def written(samples: Sequence[Sample], origin: str) -> tuple[bytes, dict[str, Any]]:
    """What a bundle keeps of the photos that it learnt from, and what its card says of that.

    origin: what its first weights are of, as `--weights` has it: what that bundle learnt from, it did.
    """
    earlier = None
    if (folder := place_of(origin)).joinpath(CARD).is_file():
        earlier = _read(folder, read_card(folder))
    found = np.union1d(marks(samples), [] if earlier is None else earlier).astype(MARK)
    data = found.tobytes()
    return data, {"photos": len(found), "sha256": hashlib.sha256(data).hexdigest()}


def doubt(bundle: Path, card: Card, samples: Sequence[Sample]) -> str | None:
    """Why figures of these photos flatter a bundle; None where it learnt from none of them.

    Raises `BundleInvalid`, `StorageUnavailable`.
    """
    learnt = _read(bundle, card)
    if learnt is None:
        return (
            f"{card.title} does not say which photos it learnt from. Where these are among them, its "
            "figures flatter."
        )
    known = int(np.isin(marks(samples), learnt).sum())
    if known <= TOLERATED * len(samples):
        return None
    groups = "".join(f" --group {name}" for name in card.training.get("groups", ()))
    return (
        f"{card.title} learnt from {known} of these {len(samples)} photos, and figures of what it knows "
        f"flatter. Of the --data that it was trained on{groups and f', with{groups},'} others are held out."
    )


def _read(bundle: Path, card: Card) -> np.ndarray | None:
    said = card.training.get("learnt")
    if said is None:
        return None
    try:
        data = (bundle / LEARNT).read_bytes()
    except OSError as error:
        raise BundleInvalid(f"{bundle / LEARNT} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(data).hexdigest() != said["sha256"]:
        raise BundleInvalid(f"{bundle / LEARNT} was altered: its hash is not the card's.")
    return np.frombuffer(data, MARK)


def _mark(name: str, size: int | None) -> int:
    if size is None:
        return 0
    digest = hashlib.sha256(f"{size}/{name}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[: MARK.itemsize], "little") or 1
