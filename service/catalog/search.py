"""The similarity query: nearest garments by cosine, within the labels that are searched."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from pgvector import HalfVector
from sqlalchemy import Connection, Engine, Row, text

from service.catalog import categories
from service.catalog.embeddings import to_halfvec
from service.catalog.engine import reading
from service.catalog.projection import SLACK, Projection, kept
from service.catalog.shelves import index_name
from service.catalog.tables import COMPONENTS
from service.domain import Match, Method
from service.errors import GarmentNotFound, InvalidParameter

MAX_MATCHES = 100

CANDIDATES = 50
"""Garments that an index leads to and that are compared whole, at least; twice n where that is more."""

EF_SEARCH = 100
"""Candidates that an HNSW scan keeps, at least; recall in docs/performance.md."""

LOOKUP = text("""
    SELECT name,
           EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(index) AND indisvalid)
           AND NOT EXISTS (SELECT FROM garment WHERE label = name AND components IS NULL)
               AS indexed,
           (SELECT created_at FROM projection
            WHERE model_id = (SELECT id FROM model WHERE serving)) AS fitted_at
    FROM category
    JOIN unnest(CAST(:labels AS text[]), CAST(:indexes AS text[])) AS searched (label, index)
        ON label = name
""")

# One arm per index, because a label's index gives the order of its arm. The components choose the
# candidates, the embeddings order them. WITH TIES, so that of garments which are alike those of the
# lower ids are among the n.
INDEX_ARM = """(
    SELECT id, image_path, label, embedding <=> :query AS distance
    FROM (
        SELECT id, image_path, label, embedding FROM garment
        WHERE label = :label_{i} AND id <> ALL (CAST(:exclude AS bigint[]))
        ORDER BY components <-> :components
        FETCH FIRST :candidates ROWS WITH TIES
    ) AS candidates
)"""

# Filter and refine: no garment of a label is nearer than its components say (see `projection`), so
# that none beyond the furthest of any n can be among the n nearest. Only those within, some dozens,
# are read whole; a garment without components always is. Arrays, because their rows are then found
# by the primary key whatever the planner believes.
EXACT_ARM = """(
    WITH filtered AS MATERIALIZED (
        SELECT id, coalesce(components <-> :components, 0) AS at_least
        FROM garment
        WHERE label = ANY (:labels) AND id <> ALL (CAST(:exclude AS bigint[]))
    ), enough AS (
        SELECT sqrt(2 * greatest(max(embedding <=> :query), 0)) + :slack AS furthest
        FROM garment
        WHERE id = ANY (ARRAY(SELECT id FROM filtered ORDER BY at_least LIMIT :n))
    )
    SELECT id, image_path, label, embedding <=> :query AS distance
    FROM garment
    WHERE id = ANY (ARRAY(
        SELECT id FROM filtered WHERE at_least <= (SELECT furthest FROM enough)
    ))
)"""

SIMILAR = """
SELECT id, image_path, label, 1 - distance AS similarity
FROM ({arms}) AS nearest
ORDER BY distance, id
LIMIT :n
"""

# As pgvector sends it in binary: dimensions and flags in two bytes each, then the numbers. As text,
# which is what a halfvec comes as, writing and reading 2,048 numbers takes a millisecond.
EMBEDDING = text("SELECT halfvec_send(embedding) FROM garment WHERE id = :id")
SENT_HEAD = 4  # bytes

# For this transaction only.
# A generic plan, which Postgres may settle on for a prepared statement, knows no label and so no
# partial index.
# The planner trusts statistics: before ANALYZE it takes every label for rare and would sort its
# rows. Where sorting is off, only the index of a label gives its order; what has none is sorted
# nevertheless.
# An iterative scan goes on where ef_search candidates did not give enough rows.
APPROXIMATE = text("""
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
           set_config('enable_sort', 'off', true),
           set_config('hnsw.ef_search', :ef_search, true),
           set_config('hnsw.iterative_scan', 'strict_order', true)
""")
EXACT = text("SELECT set_config('enable_sort', 'on', true)")


def similar(
    engine: Engine,
    query: np.ndarray | int,
    *,
    labels: Sequence[str],
    n: int,
    exclude: Collection[int] = (),
    min_similarity: float | None = None,
    exact: bool = False,
) -> tuple[tuple[Match, ...], Method]:
    """The `n` garments nearest to `query` among `labels`, by falling similarity, ties by id.

    query: an embedding, (2048,) float32, or the id of a garment, which never matches itself.
    n: 1 to 100. exclude: ids of garments to leave out. min_similarity: cosine, -1 to 1.
    exact: use no similarity index. The method is "hnsw" where a label's index answered for it.

    Similarities are those of the stored float16 embeddings, computed by Postgres. Fewer than `n`
    matches where the labels have fewer garments, or fewer that are similar enough.

    Raises `InvalidParameter`, `LabelUnknown`, `GarmentNotFound`.
    """
    if not 1 <= n <= MAX_MATCHES:
        raise InvalidParameter(f"n is {n}; it must be from 1 to {MAX_MATCHES}.")
    if min_similarity is not None and not -1 <= min_similarity <= 1:
        raise InvalidParameter(f"min_similarity is {min_similarity}; it must be from -1 to 1.")
    if not labels:
        raise InvalidParameter("There is no label to search.")
    # Committed though it writes nothing: with a rollback psycopg forgets what it has prepared
    with engine.begin() as connection:
        if isinstance(query, int):
            exclude, query = {query}, _stored(connection, query)
        vector, searched = _vector(query), list(dict.fromkeys(labels))
        indexed, projection = _look_up(connection, searched)
        values = {
            "query": vector,
            "components": _components(projection, vector),
            "exclude": sorted(exclude),
            "n": n,
            "slack": SLACK,
        }
        method: Method = "exact"
        if indexed and not exact:
            method = "hnsw"
            candidates = max(CANDIDATES, 2 * n)
            connection.execute(APPROXIMATE, {"ef_search": str(max(EF_SEARCH, candidates))})
            found = _run(connection, values | {"candidates": candidates}, searched, indexed)
            # An index gives too few where most of what it leads to was deleted since
            if len(found) < n:
                method = "exact"
                connection.execute(EXACT)
        if method == "exact":
            found = _run(connection, values, searched)
    matches = (Match(**row._mapping) for row in found)
    floor = -math.inf if min_similarity is None else min_similarity
    return tuple(match for match in matches if match.similarity >= floor), method


def embedding_of(engine: Engine, garment_id: int) -> np.ndarray:
    """A garment's embedding as stored, (2048,) float32. Raises `GarmentNotFound`."""
    with reading(engine) as connection:
        return _stored(connection, garment_id)


def _stored(connection: Connection, garment_id: int) -> np.ndarray:
    sent = connection.scalar(EMBEDDING, {"id": garment_id})
    if sent is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    return np.frombuffer(sent, dtype=">f2", offset=SENT_HEAD).astype(np.float32)


def _vector(query: np.ndarray) -> HalfVector:
    try:
        return to_halfvec(query)
    except ValueError as error:
        raise InvalidParameter(f"The query cannot be compared: {error}.") from None


def _look_up(connection: Connection, labels: Sequence[str]) -> tuple[list[str], Projection | None]:
    """Those of the labels that have an index which a search can use, and the model's projection.

    Raises `LabelUnknown`.
    """
    indexes = [index_name(label) for label in labels]
    rows = connection.execute(LOOKUP, {"labels": list(labels), "indexes": indexes}).all()
    if len(rows) < len(labels):
        categories.require(connection, labels)
    usable = {row.name for row in rows if row.indexed}
    return [label for label in labels if label in usable], kept(connection, rows[0].fitted_at)


def _components(projection: Projection | None, query: HalfVector) -> HalfVector:
    """Without a projection no garment has components, and those of the query say nothing."""
    if projection is None:
        return HalfVector(np.zeros(COMPONENTS, np.float16))
    return HalfVector(projection(query.to_numpy()[None])[0])


def _run(
    connection: Connection,
    values: dict[str, Any],
    labels: Sequence[str],
    indexed: Collection[str] = (),
) -> Sequence[Row]:
    """Search the labels, those `indexed` by their indexes and the others exactly."""
    arms = []
    for i, label in enumerate(indexed):
        arms.append(INDEX_ARM.format(i=i))
        values[f"label_{i}"] = label
    if others := [label for label in labels if label not in indexed]:
        arms.append(EXACT_ARM)
        values["labels"] = others
    statement = text(SIMILAR.format(arms="\nUNION ALL\n".join(arms)))
    return connection.execute(statement, values).all()
