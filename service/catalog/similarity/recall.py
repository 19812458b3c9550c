"""How many of the true nearest garments a label's index finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from service.catalog.database.engine import driver_of
from service.catalog.database.patience import UNHURRIED
from service.catalog.garments.embeddings import from_sent, of_unit_length
from service.catalog.similarity.effort import VAST
from service.catalog.similarity.search import similar
from service.errors import GarmentNotFound

RECALL_MINIMUM = 0.99
VAST_MINIMUM = 0.98
"""What the graph of more than `VAST` garments recalls at least, though it is built with the most effort that
pgvector takes: 0.986 was measured (docs/performance.md)."""
SAMPLE = 100  # garments that are asked for: 1,000 neighbours, a standard error of 0.003 at 0.99
TIE = 2e-6  # cosines that float32 cannot tell apart
CHUNK = 2000  # embeddings compared at once: 16 MB

SAMPLED = text("""
    SELECT id, halfvec_send(embedding) AS embedding FROM garment
    WHERE id IN (SELECT id FROM garment WHERE label = :label ORDER BY random() LIMIT :sample)
    ORDER BY id
""")

COPY = "COPY (SELECT id, embedding FROM garment WHERE label = {label}) TO STDOUT (FORMAT BINARY)"


KEEP = text("""
    INSERT INTO index_recall (label, recall) VALUES (:label, :recall)
    ON CONFLICT (label) DO UPDATE SET recall = EXCLUDED.recall, measured_at = now()
""")

KEPT = text("SELECT label, recall, measured_at FROM index_recall ORDER BY label")

# Of the garments that serve alone: what another model says of them (see `generations`) has none kept
FORGET = text("""
    DELETE FROM index_recall WHERE label = :label
      AND (SELECT relnamespace FROM pg_class WHERE oid = 'index_recall'::regclass)
        = (SELECT relnamespace FROM pg_class WHERE oid = 'garment'::regclass)
""")


@dataclass(frozen=True, slots=True)
class Recall:
    """recall@10 of a label's index when it was last measured."""

    label: str
    recall: float
    measured_at: datetime


def keep_recall(engine: Engine, label: str) -> float:
    """Measure a label's recall@10 and keep it for those who watch; returns it."""
    recall = measure_recall(engine, label)
    note_recall(engine, label, recall)
    return recall


def note_recall(engine: Engine, label: str, recall: float) -> None:
    """Keep what was measured elsewhere."""
    with engine.begin() as connection:
        connection.execute(KEEP, {"label": label, "recall": recall})


def kept_recall(engine: Engine) -> list[Recall]:
    """What was last measured of each label."""
    with engine.connect() as connection:
        return [Recall(**row._mapping) for row in connection.execute(KEPT)]


def rebuild_helps(rows: int, recall: float) -> bool:
    """Whether an index of so many garments that recalls so few would recall more if it was built anew."""
    return recall < (RECALL_MINIMUM if rows <= VAST else VAST_MINIMUM)


def forget_recall(connection: Connection, label: str) -> None:
    """What was measured is of an index that is gone."""
    connection.execute(FORGET, {"label": label})


def measure_recall(engine: Engine, label: str, *, k: int = 10, sample: int = SAMPLE) -> float:
    """recall@k of a search of `label` alone, on garments of it; 1 where it has fewer than two.

    Both sides leave the garment that is asked for out. The truth comes from one pass over the
    shelf, multiplied here in float32, which takes as long as reading it: an exact search for each
    would read it `sample` times. A match as near as the k-th true one counts as found, whichever
    of several garments with the same embedding it is.
    """
    with engine.connect() as connection:
        connection.execute(UNHURRIED)
        rows = connection.execute(SAMPLED, {"label": label, "sample": sample}).all()
        ids = np.array([row.id for row in rows], dtype=np.int64)
        if len(ids) == 0:
            return 1.0
        queries = of_unit_length(np.stack([from_sent(row.embedding) for row in rows]))
        nearest = _nearest(connection, label, ids, queries, k)
    found = wanted = 0
    for garment_id, best in zip(ids, nearest, strict=True):
        best = best[np.isfinite(best)]
        if len(best) == 0:
            continue
        try:
            matches, _ = similar(engine, int(garment_id), labels=[label], n=len(best))
        except GarmentNotFound:  # it went meanwhile
            continue
        found += sum(match.similarity >= best[0] - TIE for match in matches)
        wanted += len(best)
    return found / wanted if wanted else 1.0


def _nearest(
    connection: Connection, label: str, ids: np.ndarray, queries: np.ndarray, k: int
) -> np.ndarray:
    """The k highest cosines of each query on the shelf, rising, (queries, k) float32.

    ids: of the garments that the queries are, which do not count. -inf where there are fewer.
    """
    best = np.full((len(ids), k), -np.inf, dtype=np.float32)
    statement = sql.SQL(COPY).format(label=sql.Literal(label))
    with driver_of(connection) as driver, driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int8", "halfvec"])
        rows = copy.rows()
        while chunk := [row for row, _ in zip(rows, range(CHUNK), strict=False)]:
            stored = np.array([row[0] for row in chunk], dtype=np.int64)
            cosines = queries @ of_unit_length(np.stack([row[1].to_numpy() for row in chunk])).T
            cosines[ids[:, None] == stored] = -np.inf
            best = np.partition(np.hstack([best, cosines]), -k, axis=1)[:, -k:]
    return np.sort(best, axis=1)
