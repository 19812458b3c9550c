"""Reading single garments."""

from __future__ import annotations

import random

import numpy as np
from psycopg.rows import class_row
from sqlalchemy import Connection, Engine, text

from service.catalog.database.engine import driver_of, reading
from service.catalog.garments.embeddings import from_sent
from service.domain import Garment, LabelCount
from service.errors import CatalogEmpty, GarmentNotFound
from service.stages import stage

SELECT = """
    SELECT garment.id, image_path, label, label_source, confidence, predicted_label,
           model.name || '@' || model.version AS model, garment.created_at,
           garment.model_id
    FROM garment JOIN model ON model.id = garment.model_id
"""

EMBEDDING = "SELECT halfvec_send(embedding), model_id FROM garment WHERE id = %(id)s"

GET = SELECT + "WHERE garment.id = %(id)s"

HITS = text("SELECT id FROM garment WHERE id = ANY (:ids)")

NEXT = text("SELECT id FROM garment WHERE id >= :id ORDER BY id LIMIT 1")

# An index-only scan of (label, id)
COUNT_BY_LABEL = text("""
    SELECT category.name AS label, count(garment.id) AS count,
           count(garment.id)::float8 / greatest(sum(count(garment.id)) OVER (), 1) AS share
    FROM category LEFT JOIN garment ON garment.label = category.name
    GROUP BY category.name
    ORDER BY category.position, category.name
""")


def garment_by_id(engine: Engine, garment_id: int) -> Garment:
    """Raises `GarmentNotFound`."""
    with reading(engine) as connection, driver_of(connection) as driver, stage("sql"):
        cursor = driver.cursor(row_factory=class_row(Garment))
        garment = cursor.execute(GET, {"id": garment_id}).fetchone()
    if garment is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    return garment


def embedding_of(engine: Engine, garment_id: int) -> np.ndarray:
    """A garment's embedding as stored, (2048,) float32. Raises `GarmentNotFound`."""
    with reading(engine) as connection:
        return stored_embedding(connection, garment_id)[0]


def stored_embedding(connection: Connection, garment_id: int) -> tuple[np.ndarray, int]:
    """The same, and the model that made it."""
    with driver_of(connection) as driver, stage("sql"):
        row = driver.execute(EMBEDDING, {"id": garment_id}, binary=True).fetchone()
    if row is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    return from_sent(row[0]).astype(np.float32), row[1]


def random_garment(engine: Engine) -> Garment:
    """A garment by chance, each as likely as any other. Raises `CatalogEmpty`.

    Throws dice between the lowest and the highest id, 64 at once, and takes the first that hits: a
    few index probes however large the catalog is. Where ids are so sparse that none hits, it is the
    next garment above the first throw, which favours those behind a gap.
    """
    with engine.connect() as connection:
        low, high = connection.execute(text("SELECT min(id), max(id) FROM garment")).one()
        if low is None:
            raise CatalogEmpty()
        throws = [random.randint(low, high) for _ in range(64)]
        hits = set(connection.scalars(HITS, {"ids": throws}))
        chosen = next((throw for throw in throws if throw in hits), None)
        if chosen is None:
            chosen = connection.scalar(NEXT, {"id": throws[0]})
    return garment_by_id(engine, chosen)


def count_by_label(engine: Engine) -> list[LabelCount]:
    """Every category in the model's order, also those without garments."""
    with engine.connect() as connection:
        return [LabelCount(**row._mapping) for row in connection.execute(COUNT_BY_LABEL)]


def is_empty(engine: Engine) -> bool:
    with engine.connect() as connection:
        return not connection.scalar(text("SELECT EXISTS (SELECT FROM garment)"))
