"""The SQL of the similarity query, as Postgres gets it. `search` runs it."""

from __future__ import annotations

from functools import lru_cache

from psycopg import sql

# One label at a time: the arrays of several would be planned anew at each use, which costs more.
# `here` says whether the garments that this connection sees are those of the query's model (see
# `generations`). It is asked in the query's own transaction, and reads `garment`, so that its lock
# keeps another model's garments from taking their place before the query has read them.
# A partitioned table has its indexes on other servers (deploy/shards), which order as they are asked.
# With it come the settings for the query that follows in the same transaction, and for that alone: a
# statement of their own costs a tenth of a search.
_LOOKUP = """
    SELECT name,
           (EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%(index)s) AND indisvalid
                                           AND indrelid = to_regclass('garment'))
            OR EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('garment') AND relkind = 'p'))
           AND NOT EXISTS (SELECT FROM garment WHERE label = %(label)s AND components IS NULL)
               AS indexed,
           coalesce((SELECT reltuples > %(vast)s FROM pg_class
                     WHERE oid = to_regclass(%(index)s)), false) AS vast,
           (SELECT created_at FROM projection WHERE model_id = asked.model_id) AS fitted_at,
           to_regclass(%(home)s) IS NOT NULL
           OR EXISTS (SELECT FROM model WHERE id = asked.model_id AND serving) AS here,
           asked.model_id,
           {settings}
    FROM category, (
        SELECT coalesce(CAST(%(model_id)s AS integer), (SELECT id FROM model WHERE serving))
    ) AS asked (model_id)
    WHERE name = %(label)s
"""

# Compiling a plan takes many times what such a query does, and by its costs Postgres would: up to 17 a
# node that is off costs 1e10.
_EXACTLY = "set_config('jit', 'off', true)"

# The plan of a prepared statement is kept: the label stands in it, so that it knows the partial index.
# The planner trusts statistics: before ANALYZE it takes every label for rare and would sort its
# rows. Where sorting is off, only the index of a label gives its order; what has none is sorted
# nevertheless.
# An iterative scan goes on where ef_search candidates did not give enough rows.
_BY_INDEXES = f"""{_EXACTLY},
           set_config('plan_cache_mode', 'force_generic_plan', true),
           set_config('enable_sort', 'off', true),
           set_config('hnsw.ef_search', %(follow)s, true),
           set_config('hnsw.iterative_scan', 'strict_order', true)"""

# Where few of a label's garments are searched among, comparing those few is faster than to follow the
# graph until it has led to enough of them. See docs/performance.md.
_AMONG_BY_INDEXES = f"""{_BY_INDEXES},
           set_config('hnsw.max_scan_tuples', '2000', true)"""

_LOOKUPS = {
    settings: _LOOKUP.format(settings=settings)
    for settings in (_EXACTLY, _BY_INDEXES, _AMONG_BY_INDEXES)
}

# Garments to leave out, and those whose picture has the very bytes of the query's. An array, because
# it is then looked up once.
OTHERS = """
            id <> ALL (CAST(%(exclude)s AS bigint[]))
            AND id <> ALL (ARRAY(SELECT id FROM garment WHERE content_sha256 = %(content)s))
""".strip()

# Only garments that relations of the shop's own name (see `among`). Looked up for each candidate of an
# index, because a join would lose the index's order; where all of a label is read, the planner joins.
AMONG_BY_INDEXES = """
            AND (SELECT true FROM {relation} AS own
                 WHERE CAST(own.image_path AS text) = garment.image_path LIMIT 1)
"""
AMONG_EXACTLY = """
            AND image_path IN (SELECT CAST(own.image_path AS text) FROM {relation} AS own)
"""

# One arm per index, because a label's index gives the order of its arm. The components choose the
# candidates, the embeddings order them. WITH TIES, so that of garments which are alike those of the
# lower ids are among the n. No garment beyond `reach` is a candidate; null where the index led to fewer
# than were asked of it.
INDEX_ARM = """(
    SELECT id, image_path, label, embedding <=> %(query)s AS distance, at_least,
           CASE WHEN count(*) OVER () >= %(candidates)s THEN max(at_least) OVER () END AS reach
    FROM (
        SELECT id, image_path, label, embedding, components <-> %(components)s AS at_least
        FROM garment
        WHERE label = {label} AND {others}
        ORDER BY components <-> %(components)s
        FETCH FIRST %(candidates)s ROWS WITH TIES
    ) AS candidates
)"""

# Filter and refine: no garment of a label is nearer than its components say (see `projection`), so
# that none beyond the furthest of any n can be among the n nearest. Only those within, some dozens,
# are read whole; a garment without components always is. One without direction, which someone wrote by
# hand, is as far as NaN from everything, which Postgres sorts beyond all: it bounds nothing. Arrays,
# because their rows are then found by the primary key whatever the planner believes.
EXACT_ARM = """(
    WITH filtered AS MATERIALIZED (
        SELECT id, coalesce(components <-> %(components)s, 0) AS at_least
        FROM garment
        WHERE label = ANY (%(labels)s) AND {others}
    ), enough AS (
        SELECT sqrt(2 * greatest(max(embedding <=> %(query)s), 0)) + %(slack)s AS furthest
        FROM garment
        WHERE id = ANY (ARRAY(SELECT id FROM filtered ORDER BY at_least LIMIT %(n)s))
    )
    SELECT id, image_path, label, embedding <=> %(query)s AS distance,
           CAST(NULL AS float8) AS at_least, CAST(NULL AS float8) AS reach
    FROM garment
    WHERE id = ANY (ARRAY(
        SELECT id FROM filtered WHERE at_least <= (SELECT furthest FROM enough)
    ))
)"""

# Beside each of the n nearest, what tells whether the candidates were enough (see `effort`). share:
# the part of a distance that components hold, more than of nearly all candidates; where there is hardly
# a distance, rounding decides.
SIMILAR = """
WITH nearest AS MATERIALIZED ({arms}),
told AS (
    SELECT min(reach) AS reach,
           least(avg(share) + 2.5 * stddev_pop(share), 1) AS share,
           l2_norm(%(components)s) AS off,
           CASE WHEN count(DISTINCT label) FILTER (WHERE reach IS NOT NULL) < {indexes}
                THEN coalesce(array_agg(DISTINCT label) FILTER (WHERE reach IS NOT NULL), '{{}}')
                END AS led
    FROM (
        SELECT label, reach,
               CASE WHEN distance > 1e-4 AND distance <= 2
                    THEN at_least / sqrt(2 * distance) END AS share
        FROM nearest
    ) AS candidates
)
SELECT id, image_path, label, 1 - distance AS similarity, told.reach, told.share, told.off, told.led
FROM nearest, told
ORDER BY distance, id
LIMIT %(n)s
"""


def lookup_sql(*, by_indexes: bool = False, among: bool = False) -> str:
    """How a label is, with the settings for the query behind it."""
    return _LOOKUPS[(_AMONG_BY_INDEXES if among else _BY_INDEXES) if by_indexes else _EXACTLY]


@lru_cache(maxsize=1024)
def similar_sql(indexed: tuple[str, ...], others: bool, relations: tuple[str, ...] = ()) -> str:
    """The query of labels by their indexes and, where there are `others`, of `labels` exactly.

    indexed: as `literal` gives them. relations: as `require_among` gives them.
    """
    by_indexes = exactly = OTHERS
    for relation in relations:
        by_indexes += AMONG_BY_INDEXES.format(relation=relation)
        exactly += AMONG_EXACTLY.format(relation=relation)
    arms = [INDEX_ARM.format(label=label, others=by_indexes) for label in indexed]
    arms += [EXACT_ARM.format(others=exactly)] * others
    return SIMILAR.format(arms="\nUNION ALL\n".join(arms), indexes=len(indexed))


@lru_cache(maxsize=1024)
def literal(label: str) -> str:
    """A label as it stands in a statement that psycopg fills in."""
    return sql.Literal(label).as_string().replace("%", "%%")
