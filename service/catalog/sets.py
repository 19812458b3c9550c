"""Uploaded sets of photos, and the most common categories of a set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from service.catalog.garments.categories import labels_of_a_model
from service.domain import LabelCount
from service.errors import InvalidParameter, SetChanged, SetNotFound

STORE = text("INSERT INTO upload_set (model_id) VALUES (:model_id) RETURNING id")

STORE_IMAGES = text("""
    INSERT INTO upload (set_id, position, filename, label, confidence, error)
    VALUES (:set_id, :position, :filename, :label, :confidence, :error)
""")

# The lock lets those who add to the same set at once take turns, so that no two share a position
LOCK = text("SELECT model_id FROM upload_set WHERE id = :set_id FOR UPDATE")

COUNT = text("SELECT count(*) FROM upload WHERE set_id = :set_id")

GET = text("""
    SELECT upload_set.id, upload_set.created_at, model.name || '@' || model.version AS model
    FROM upload_set JOIN model ON model.id = upload_set.model_id
    WHERE upload_set.id = :set_id
""")

IMAGES = text("""
    SELECT filename, label, confidence, error FROM upload WHERE set_id = :set_id ORDER BY position
""")

# `share` is of all labelled images: the window is computed before LIMIT cuts
TOP = """
    SELECT label, count(*) AS count, count(*)::float8 / sum(count(*)) OVER () AS share
    FROM ({labels}) AS image
    LEFT JOIN category ON category.name = image.label
    WHERE label IS NOT NULL
    GROUP BY label, category.position
    ORDER BY count DESC, category.position, label
    LIMIT :k
"""

TOP_OF_SET = text(TOP.format(labels="SELECT label FROM upload WHERE set_id = :set_id"))

TOP_OF_LABELS = text(TOP.format(labels="SELECT unnest(CAST(:labels AS text[])) AS label"))


@dataclass(frozen=True, slots=True)
class SetImage:
    """One photo of a set: its label and confidence, or why it cannot be read.

    No label and no error: no garment was recognised; `confidence` is then that of the best guess.
    """

    filename: str
    label: str | None = None
    confidence: float | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        if self.confidence is None:
            return {"filename": self.filename, "error": self.error}
        return {
            "filename": self.filename,
            "label": self.label,
            "confidence": round(self.confidence, 6),
            "recognised": self.label is not None,
        }


@dataclass(frozen=True, slots=True)
class StoredSet:
    """A set as it was uploaded, its images in that order. model: `name@version`."""

    id: UUID
    created_at: datetime
    model: str
    images: tuple[SetImage, ...]


def store_set(engine: Engine, model_id: int, images: Sequence[SetImage]) -> UUID:
    """Keep a set; returns its id. Raises `ModelMoved` where the model was dropped, and labels with it."""
    with engine.begin() as connection:
        set_id = connection.execute(STORE, {"model_id": model_id}).scalar_one()
        _store_images(connection, set_id, images, 0)
    return set_id


def extend_set(
    engine: Engine,
    set_id: UUID | str,
    model_id: int,
    images: Sequence[SetImage],
    most: int,
    after: int | None = None,
) -> None:
    """Add images behind those that a set has, up to `most` in all.

    after: how many it has. Raises `SetNotFound`, `SetChanged` where it has another number, `InvalidParameter`
    beyond `most` or where another model labelled it, and `ModelMoved` as `store_set`.
    """
    with engine.begin() as connection:
        row = _require(connection, set_id)
        own = connection.execute(LOCK, {"set_id": row["id"]}).scalar_one_or_none()
        if own is None:  # deleted while we waited for its lock
            raise _missing(set_id)
        count = connection.execute(COUNT, {"set_id": row["id"]}).scalar_one()
        if after is not None and after != count:
            raise SetChanged(f"after is {after}, but the set has {count} images.")
        if own != model_id:
            raise InvalidParameter("Another model labelled this set. Start a new one.")
        if count + len(images) > most:
            raise InvalidParameter(f"images: the set has {count}; at most {most} make a set.")
        _store_images(connection, row["id"], images, count)


def get_set(engine: Engine, set_id: UUID | str) -> StoredSet:
    """Raises `SetNotFound`, also for an id that is no UUID."""
    with engine.connect() as connection:
        row = _require(connection, set_id)
        images = connection.execute(IMAGES, {"set_id": row["id"]})
        return StoredSet(**row, images=tuple(SetImage(**image._mapping) for image in images))


def top_of_set(engine: Engine, set_id: UUID | str, k: int | None = None) -> list[LabelCount]:
    """The `k` most common labels of a stored set, ties in the model's order; all for None.

    Images without a label do not count. Raises `SetNotFound`, or `InvalidParameter` for k < 1.
    """
    _require_k(k)
    with engine.connect() as connection:
        row = _require(connection, set_id)
        found = connection.execute(TOP_OF_SET, {"set_id": row["id"], "k": k})
        return [LabelCount(**label._mapping) for label in found]


def top_of(engine: Engine, labels: Sequence[str], k: int | None = None) -> list[LabelCount]:
    """`top_of_set` of images that are not stored, one label per image."""
    _require_k(k)
    with engine.connect() as connection:
        found = connection.execute(TOP_OF_LABELS, {"labels": list(labels), "k": k})
        return [LabelCount(**label._mapping) for label in found]


def delete_set(engine: Engine, set_id: UUID | str) -> None:
    """Raises `SetNotFound`."""
    with engine.begin() as connection:
        row = _require(connection, set_id)
        connection.execute(text("DELETE FROM upload_set WHERE id = :id"), {"id": row["id"]})


def _store_images(
    connection: Connection, set_id: UUID, images: Sequence[SetImage], first: int
) -> None:
    rows = [
        {
            "set_id": set_id,
            "position": position,
            "filename": image.filename,
            "label": image.label,
            "confidence": image.confidence,
            "error": image.error,
        }
        for position, image in enumerate(images, first)
    ]
    if rows:
        with labels_of_a_model():
            connection.execute(STORE_IMAGES, rows)


def _require(connection: Connection, set_id: UUID | str) -> dict[str, Any]:
    try:
        row = connection.execute(GET, {"set_id": UUID(str(set_id))}).one_or_none()
    except ValueError:
        row = None
    if row is None:
        raise _missing(set_id)
    return dict(row._mapping)


def _missing(set_id: UUID | str) -> SetNotFound:
    return SetNotFound(f"There is no set {set_id}.")


def _require_k(k: int | None) -> None:
    if k is not None and k < 1:
        raise InvalidParameter(f"k is {k}; it must be at least 1.")
