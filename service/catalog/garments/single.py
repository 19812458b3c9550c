"""Reading single garments."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

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

GET = SELECT + "WHERE garment.id = %(id)s"

NUMBERS = """
    SELECT encode(garment.content_sha256, 'hex'), halfvec_send(embedding), halfvec_send(components),
           (SELECT created_at FROM projection WHERE model_id = garment.model_id),
"""

ASK = GET.replace("SELECT", NUMBERS.strip(), 1)

HITS = text("SELECT id FROM garment WHERE id = ANY (:ids)")

IDS_OF_A_SHARD = 10**12  # deploy/shards/shard.sql

# The lowest and the highest id of every shard: of a catalog of its own those of all
RANGES = text("""
    WITH RECURSIVE shard (low) AS (
        SELECT min(id) FROM garment
        UNION ALL
        SELECT (SELECT min(id) FROM garment WHERE id > ((low - 1) / :ids + 1) * :ids)
        FROM shard WHERE low IS NOT NULL
    )
    SELECT low, (SELECT max(id) FROM garment WHERE id <= ((low - 1) / :ids + 1) * :ids) AS high
    FROM shard WHERE low IS NOT NULL
""")

NEXT = text("SELECT id FROM garment WHERE id >= :id ORDER BY id LIMIT 1")

# An index-only scan of (label, id)
COUNT_BY_LABEL = text("""
    SELECT category.name AS label, count(garment.id) AS count,
           count(garment.id)::float8 / greatest(sum(count(garment.id)) OVER (), 1) AS share
    FROM category LEFT JOIN garment ON garment.label = category.name
    GROUP BY category.name
    ORDER BY category.position, category.name
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """A garment with what a search for more like it compares.

    content: the hex SHA-256 of its picture, where that is known. embedding: (2048,) float16.
    components: (128,) float16, by the projection of that time; None where it has none.
    """

    garment: Garment
    content: str | None
    embedding: np.ndarray
    components: np.ndarray | None
    fitted_at: datetime | None


def garment_by_id(engine: Engine, garment_id: int) -> Garment:
    """Raises `GarmentNotFound`."""
    with reading(engine) as connection, driver_of(connection) as driver, stage("sql"):
        cursor = driver.cursor(row_factory=class_row(Garment))
        garment = cursor.execute(GET, {"id": garment_id}).fetchone()
    if garment is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    return garment


def asked_garment(place: Engine | Connection, garment_id: int) -> Asked:
    """A garment and its numbers in one round trip. place: see `reading`. Raises `GarmentNotFound`."""
    with reading(place) as connection, driver_of(connection) as driver, stage("sql"):
        row = driver.execute(ASK, {"id": garment_id}).fetchone()
    if row is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    content, embedding, components, fitted_at, *garment = row
    return Asked(
        Garment(*garment),
        content,
        from_sent(embedding),
        None if components is None else from_sent(components),
        fitted_at,
    )


def random_garment(engine: Engine) -> Garment:
    """A garment by chance, each as likely as any other. Raises `CatalogEmpty`.

    Throws dice between the lowest and the highest id of a shard, 64 at once, and takes the first that
    hits: a few index probes however large the catalog is. Where ids are so sparse that none hits, it is
    the next garment above the first throw, which favours those behind a gap.
    """
    with reading(engine) as connection:
        found = connection.execute(RANGES, {"ids": IDS_OF_A_SHARD}).all()
        if not found:
            raise CatalogEmpty()
        widths = [high - low + 1 for low, high in found]
        chances = random.choices(found, widths, k=64)
        throws = [random.randint(low, high) for low, high in chances]
        hits = set(connection.scalars(HITS, {"ids": throws}))
        chosen = next((throw for throw in throws if throw in hits), None)
        if chosen is None:
            chosen = connection.scalar(NEXT, {"id": throws[0]})
    with suppress(GarmentNotFound):
        if chosen is not None:
            return garment_by_id(engine, chosen)
    return random_garment(engine)  # those that were hit were deleted since, and maybe all


def count_by_label(engine: Engine) -> list[LabelCount]:
    """Every category in the model's order, also those without garments."""
    with reading(engine) as connection:
        return [LabelCount(**row._mapping) for row in connection.execute(COUNT_BY_LABEL)]


def is_empty(engine: Engine) -> bool:
    with reading(engine) as connection:
        return not connection.scalar(text("SELECT EXISTS (SELECT FROM garment)"))
