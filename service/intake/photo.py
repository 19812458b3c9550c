"""One photo: its place in the catalog, and what becomes of it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from service.catalog import Filed, Known, Loader, Row, is_storable, is_unfit
from service.decode import read
from service.errors import (
    FashionStudioError,
    GarmentUnrecognised,
    ImageUndecodable,
)
from service.images import Images
from service.labels import given_label
from service.model import Model
from service.sources import Item
from service.storage import Location, lies_in

Labels = Literal["given", "predicted"]

BATCH = 256  # photos to a commit

REMEMBERED = 16_384
"""Items of a source whose labels are remembered, more than are under way at once."""

Items = Callable[[], Iterator[Item]]
"""Starts a source anew at each call."""

Claim = Callable[[str, str], Filed | None]
"""The garment that a photo is, by its bytes' SHA-256 and its path, where that was moved; see `Gone`."""


@dataclass(frozen=True, slots=True)
class Options:
    """How photos are taken in. batch_size: photos to a commit.

    roots: folders that every file must lie in, links resolved; none: no such bound.
    dry: nothing is embedded or written.
    """

    labels: Labels = "given"
    batch_size: int = BATCH
    roots: tuple[Location, ...] = ()
    dry: bool = False


@dataclass(frozen=True, slots=True)
class Photo:
    """An item with its place in the catalog, and what the ledger knows of that place.

    contested: the source named it before with another label, so that the ledger may be out of date.
    """

    item: Item
    image_path: str
    known: Known | None
    contested: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a photo: a row to write, nothing to do, or the reason why it is rejected.

    moved: the garment that it was taken in as, under another path.
    """

    photo: Photo
    row: Row | None = None
    moved: Filed | None = None
    changed: bool = False
    reason: str | None = None


def photos_of(
    items: Iterator[Item], images: Images, loader: Loader, batch_size: int
) -> Iterator[Photo]:
    """Items with what the ledger knows of them, asked for a batch at a time. One without a label is of the
    one that the source gave it before."""
    named = ((item, images.name_of(item.file)) for item in items)
    labels: dict[str, list[str]] = {}
    while chunk := list(itertools.islice(named, batch_size)):
        ledger = loader.known([path for _, path in chunk if is_storable(path)])
        for item, path in chunk:
            before = labels.get(path, ())
            if item.label is None and before:
                item = replace(item, label=before[-1])
            contested = any(label != item.label for label in before)
            yield Photo(item, path, ledger.get(path), contested)
            if item.label is not None:
                labels.setdefault(path, []).append(item.label)
        while len(labels) > max(REMEMBERED, 4 * batch_size):
            del labels[next(iter(labels))]


def outcome_of(photo: Photo, model: Model, options: Options, claim: Claim) -> Outcome:
    """What becomes of a photo; never raises for what is wrong with one.

    Raises what every other photo would meet as well, such as `StorageUnavailable`, and what `claim` raises.
    """
    try:
        if not photo.item.name:
            return Outcome(photo, reason="There is no image name.")
        if not is_storable(photo.image_path):
            return Outcome(photo, reason="The path is too long, or not valid UTF-8.")
        if options.roots and not lies_in(photo.item.file, options.roots):
            return Outcome(photo, reason="The file lies outside the folders that may be read.")
        given = None
        if options.labels == "given" and photo.item.label is not None:
            given = given_label(photo.item.label, model.labels)
        data = read(photo.item.file, model.limits)
        digest = hashlib.sha256(data).hexdigest()
        moved = claim(digest, photo.image_path) if photo.known is None else None
        known = moved or photo.known
        current = known is not None and _is_current(known, digest, given, options.labels)
        if current and not photo.contested:  # of contradicting lines the last one counts
            return Outcome(photo, moved=moved, changed=moved is not None)
        image = model.decode(data)
        if options.dry:
            return Outcome(photo, moved=moved, changed=True)
        prediction = model.predict(image)
        if given is None and not prediction.recognised:
            raise GarmentUnrecognised()
        if is_unfit(prediction.embedding):
            raise ImageUndecodable("The network finds nothing in the photo to compare.")
        label = given if given is not None else prediction.label
        row = Row(
            image_path=photo.image_path,
            label=label,
            label_source="given" if given is not None else "predicted",
            confidence=prediction.confidence_of(label),
            predicted_label=prediction.label,
            embedding=prediction.embedding,
            content_sha256=image.sha256,
        )
        return Outcome(photo, row=row, moved=moved, changed=True)
    except FashionStudioError as error:
        if error.is_ours:
            raise
        return Outcome(photo, reason=error.detail)


def _is_current(known: Known | Filed, digest: str, given: str | None, labels: Labels) -> bool:
    """Whether the catalog holds these bytes under this label already.

    A label that a person gave stays where the source says nothing of it, unless predicted ones are
    asked for.
    """
    if known.content_sha256 != digest:
        return False
    if given is None:
        return labels == "given" or known.label_source == "predicted"
    return known.label_source == "given" and known.label == given
