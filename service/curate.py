"""Single garments: added with their photo, given another label, removed."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service import catalog
from service.catalog import Row, garment_by_id
from service.decode import suffix_of
from service.domain import Garment
from service.errors import (
    BundleMismatch,
    FashionStudioError,
    GarmentUnrecognised,
    ImageUndecodable,
    Overloaded,
)
from service.images import OWN
from service.labels import canonical
from service.model import Model
from service.studio import Studio

KEEPING = 8  # pictures put and removed at once, of the 19 connections that a process has
PATIENCE_SECONDS = 2.0  # for one of these turns

_turns = threading.BoundedSemaphore(KEEPING)


def add_garment(
    studio: Studio, data: bytes, *, label: str | None = None, image_path: str | None = None
) -> tuple[Garment, bool]:
    """Take a photo into the catalog; returns the garment, and whether it is new.

    label: its category; without one the network's own, where it recognises a garment. image_path:
    where the photo is to lie under the image root; without one, by its bytes under `uploads/`, so that
    the same photo is one garment.
    Raises as `decode`, `GarmentUnrecognised`, `LabelUnknown`, `ImagePathTaken`, `StorageFull`,
    `StorageUnavailable`, `Overloaded`, `InvalidParameter`; then nothing was stored.
    """
    model = studio.model
    try:
        return _add(studio, model, data, label, image_path)
    except BundleMismatch:  # another model took over meanwhile
        return _add(studio, studio.successor(model), data, label, image_path)


def _add(
    studio: Studio, model: Model, data: bytes, label: str | None, image_path: str | None
) -> tuple[Garment, bool]:
    given = None if label is None else canonical(label, model.labels)
    photo = model.decode(data)
    prediction = model.predict(photo)
    if given is None and not prediction.recognised:
        raise GarmentUnrecognised()
    if image_path is None:
        image_path = f"{OWN}{photo.sha256[:2]}/{photo.sha256}{suffix_of(data)}"
    row = Row(
        image_path=image_path,
        label=given or prediction.label,
        label_source="given" if given else "predicted",
        confidence=prediction.confidence_of(given or prediction.label),
        predicted_label=prediction.label,
        embedding=prediction.embedding,
        content_sha256=photo.sha256,
    )
    try:
        with _turn():
            return catalog.add_garment(
                studio.engine,
                model.id,
                row,
                put=lambda: studio.images.put(image_path, data),
                take_back=lambda: studio.images.remove(image_path),
            )
    except ValueError as error:  # of a picture in which the network finds nothing
        raise ImageUndecodable(f"The photo cannot be kept: {error}.") from None


def relabel_garment(studio: Studio, garment_id: int, label: str) -> Garment:
    """Give a garment a label, as a person says it is.

    Its confidence becomes the model's probability of that label, asked of the stored picture; None
    where the picture is gone or is not the one that was taken in. Raises `GarmentNotFound`,
    `LabelUnknown`, `ModelMoved`, `StorageUnavailable`, by which nothing changed.
    """
    model = studio.model
    label = canonical(label, model.labels)
    garment = garment_by_id(studio.engine, garment_id)
    confidence, digest = None, None
    if garment.label != label:
        confidence, digest = _confidence(studio, model, garment, label)
    return catalog.relabel_garment(
        studio.engine,
        garment_id,
        label,
        confidence=confidence,
        digest=digest,
        model_id=model.id,
    )


def delete_garment(studio: Studio, garment_id: int) -> None:
    """Forget a garment, and its picture where that is the service's own. Raises `GarmentNotFound`."""
    path = catalog.delete_garment(studio.engine, garment_id)
    if path.startswith(OWN):
        try:
            with _turn():
                catalog.remove_picture(studio.engine, path, lambda: studio.images.remove(path))
        except FashionStudioError as error:  # the garment is gone all the same
            logging.getLogger(__name__).warning("The picture %s was left: %s", path, error.detail)


@contextmanager
def _turn() -> Iterator[None]:
    """To hold a connection while the pictures' store is waited for: one that hangs must not take those that
    searches need. Raises `Overloaded`."""
    if not _turns.acquire(timeout=PATIENCE_SECONDS):
        raise Overloaded()
    try:
        yield
    finally:
        _turns.release()


def _confidence(
    studio: Studio, model: Model, garment: Garment, label: str
) -> tuple[float | None, str | None]:
    """The model's probability of a label for the stored picture, and the digest of that picture."""
    try:
        data = studio.images.read(garment.image_path)
        digest = hashlib.sha256(data).hexdigest()
        if digest != catalog.digest_of(studio.engine, garment.id):
            return None, None
        return model.predict(model.decode(data)).confidence_of(label), digest
    except FashionStudioError as error:
        if error.is_ours:
            raise
        return None, None
