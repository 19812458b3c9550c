"""Browsing the catalog: garments that meet conditions, a page at a time.

A page starts behind the last id of the one before: the tenth thousand costs as much as the first.
Without a label it walks the primary key, with one the index on (label, id); the other conditions are
looked at row by row, which is what a rare one costs: at most a walk through the rows of its label.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

import numpy as np
from sqlalchemy import Engine, text

from service.catalog.database.engine import reading
from service.catalog.garments import categories
from service.catalog.garments.single import SELECT
from service.domain import Garment, LabelSource, Order
from service.errors import InvalidParameter

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Conditions:
    """What garments of a page have in common; None asks nothing.

    model: name@version of the bundle that embedded them. q: text anywhere in the path, in any case.
    min_confidence, max_confidence: 0 to 1, both included; a garment without one meets neither.
    added_from, added_to: days in UTC, both included.
    """

    label: str | None = None
    label_source: LabelSource | None = None
    predicted_label: str | None = None
    model: str | None = None
    q: str | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    added_from: date | None = None
    added_to: date | None = None


SQL = {
    "label": "label = :label",
    "label_source": "label_source = :label_source",
    "predicted_label": "predicted_label = :predicted_label",
    "model": "model.name || '@' || model.version = :model",
    "q": "strpos(lower(image_path), lower(:q)) > 0",
    "min_confidence": "confidence >= :min_confidence",
    "max_confidence": "confidence <= :max_confidence",
    "added_from": "garment.created_at >= CAST(:added_from AS date)::timestamp AT TIME ZONE 'UTC'",
    "added_to": "garment.created_at < (CAST(:added_to AS date) + 1)::timestamp AT TIME ZONE 'UTC'",
}

AFTER = {"oldest": "garment.id > :cursor", "newest": "garment.id < :cursor"}
BY_ID = {"oldest": "garment.id", "newest": "garment.id DESC"}


def garments_page(
    engine: Engine,
    conditions: Conditions | None = None,
    *,
    order: Order = "oldest",
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[Garment], str | None]:
    """Garments by id, and the cursor of the next page; None after the last one.

    Raises `LabelUnknown`, or `InvalidParameter` for a limit outside 1 to 1000 or a cursor that is
    not one.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidParameter(f"limit is {limit}; it must be from 1 to {MAX_LIMIT}.")
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise InvalidParameter("cursor is none that an earlier page gave.")
    asked = asdict(conditions or Conditions())
    values = {
        # As it is stored, so that a confidence of 0.3 is at most 0.3
        name: float(np.float32(value)) if isinstance(value, float) else value
        for name, value in asked.items()
        if value is not None
    }
    clauses = [SQL[name] for name in values]
    if cursor is not None:
        clauses.append(AFTER[order])
    where = f"WHERE {' AND '.join(clauses)} " if clauses else ""
    query = text(f"{SELECT} {where} ORDER BY {BY_ID[order]} LIMIT :limit")
    with reading(engine) as connection:
        labels = [asked[name] for name in ("label", "predicted_label") if asked[name] is not None]
        if labels:
            categories.require(connection, labels)
        place = {} if cursor is None else {"cursor": int(cursor)}
        rows = connection.execute(query, values | place | {"limit": limit + 1}).all()
    garments = [Garment(**row._mapping) for row in rows[:limit]]
    return garments, str(garments[-1].id) if len(rows) > limit else None
