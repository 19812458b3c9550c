"""The similarity query: nearest garments by cosine, within the labels that are searched."""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Sequence

import numpy as np
from sqlalchemy import Engine, TextClause, text

from service.catalog import categories
from service.catalog.embeddings import to_halfvec
from service.catalog.engine import reading
from service.catalog.shelves import indexed
from service.domain import Match, Method
from service.errors import GarmentNotFound, InvalidParameter

MAX_MATCHES = 100

EF_SEARCH = 100
"""Candidates that an HNSW scan keeps, at least; recall@10 of 0.997 on 139,734 garments."""

# One arm per label, because a label's index gives the order of its arm. The id breaks ties, also
# where n cuts them. Before Postgres 17 no index serves an order by distance and id, so the arm of
# an index takes every row that ties with the n-th; an exact arm would have to sort the whole label
# for that.
EXACT_ARM = """(
    SELECT id, image_path, label, embedding <=> :query AS distance
    FROM garment
    WHERE label = :label_{i} AND id <> ALL (CAST(:exclude AS bigint[]))
    ORDER BY distance, id
    LIMIT :n
)"""

INDEX_ARM = """(
    SELECT id, image_path, label, embedding <=> :query AS distance
    FROM garment
    WHERE label = :label_{i} AND id <> ALL (CAST(:exclude AS bigint[]))
    ORDER BY distance
    FETCH FIRST :n ROWS WITH TIES
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
# rows. Where sorting is off, only the index of a label gives its order; a label without one is
# sorted nevertheless.
# An iterative scan goes on where ef_search candidates did not give enough rows.
APPROXIMATE = text("""
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
           set_config('enable_sort', 'off', true),
           set_config('hnsw.ef_search', :ef_search, true),
           set_config('hnsw.iterative_scan', 'strict_order', true)
""")

# Similarity indexes know only plain scans; the b-tree on label also knows bitmap scans
EXACT = text("""
    SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
           set_config('enable_sort', 'on', true),
           set_config('enable_indexscan', 'off', true)
""")


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
    if isinstance(query, int):
        exclude = {query}
        query = embedding_of(engine, query)
    try:
        vector = to_halfvec(query)
    except ValueError as error:
        raise InvalidParameter(f"The query cannot be compared: {error}.") from None

    searched = list(dict.fromkeys(labels))
    values = {
        "query": vector,
        "exclude": sorted(exclude),
        "n": n,
        **{f"label_{i}": label for i, label in enumerate(searched)},
    }
    # Committed though it writes nothing: with a rollback psycopg forgets what it has prepared
    with engine.begin() as connection:
        categories.require(connection, searched)
        method: Method = "exact"
        indexes = set() if exact else indexed(connection, searched)
        if indexes:
            method = "hnsw"
            connection.execute(APPROXIMATE, {"ef_search": str(max(EF_SEARCH, 2 * n))})
            found = connection.execute(_statement(searched, indexes), values).all()
        # Also where an index gave too few: most of what it led to was deleted since
        if method == "exact" or len(found) < n:
            method = "exact"
            connection.execute(EXACT)
            found = connection.execute(_statement(searched), values).all()
    matches = (Match(**row._mapping) for row in found)
    floor = -math.inf if min_similarity is None else min_similarity
    return tuple(match for match in matches if match.similarity >= floor), method


def embedding_of(engine: Engine, garment_id: int) -> np.ndarray:
    """A garment's embedding as stored, (2048,) float32. Raises `GarmentNotFound`."""
    with reading(engine) as connection:
        sent = connection.scalar(EMBEDDING, {"id": garment_id})
    if sent is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    return np.frombuffer(sent, dtype=">f2", offset=SENT_HEAD).astype(np.float32)


def _statement(labels: Sequence[str], indexes: Container[str] = ()) -> TextClause:
    """The query of these labels, those with an index by it."""
    arms = (
        (INDEX_ARM if label in indexes else EXACT_ARM).format(i=i) for i, label in enumerate(labels)
    )
    return text(SIMILAR.format(arms="\nUNION ALL\n".join(arms)))
