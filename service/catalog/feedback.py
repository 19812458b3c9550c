"""Verdicts on matches: kept, shown, taken back, and what they come to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from service.domain import Feedback, Verdict
from service.errors import FeedbackNotFound, FeedbackOfItself, GarmentNotFound

# Digests stay when garments go, see migration 0007
STORE = text("""
    INSERT INTO feedback (verdict, query_id, query_sha256, match_id, match_sha256)
    SELECT :verdict, query.id, coalesce(:query_sha256, query.content_sha256),
           match.id, match.content_sha256
    FROM garment AS match
    LEFT JOIN garment AS query ON query.id = CAST(:query_id AS bigint)
    WHERE match.id = :match_id
    RETURNING id, query_id, encode(query_sha256, 'hex') AS query_sha256, match_id, verdict,
              created_at, match_sha256 = query_sha256 AS itself
""")

LIST = text("""
    SELECT id, query_id, encode(query_sha256, 'hex') AS query_sha256, match_id, verdict, created_at
    FROM feedback WHERE id < :before ORDER BY id DESC LIMIT :limit
""")

DELETE = text("DELETE FROM feedback WHERE id = :id")

# A verdict is about bytes where they are known, be it since: a garment whose picture was replaced is
# another picture, and a picture that was taken in again is the same one. The near-duplicate group is
# that of the last analysis; identical bytes need none. Of garments of one picture, one with a given label
# (before 'predicted') stands for all.
PAIRS = text("""
    WITH known AS (
        SELECT verdict, query_id, coalesce(query_sha256, asked.content_sha256) AS query_sha256,
               match_id, coalesce(match_sha256, answered.content_sha256) AS match_sha256
        FROM feedback
        LEFT JOIN garment AS asked ON asked.id = query_id
        LEFT JOIN garment AS answered ON answered.id = match_id
    ), judged AS (
        SELECT *, coalesce(encode(query_sha256, 'hex'), query_id::text) AS query,
               coalesce(encode(match_sha256, 'hex'), match_id::text) AS match
        FROM known
    ), sides AS (
        SELECT query AS picture, query_id AS id, query_sha256 AS digest FROM judged
        UNION
        SELECT match, match_id, match_sha256 FROM judged
    ), found AS (
        SELECT picture, garment.id, image_path, label, label_source
        FROM sides JOIN garment ON content_sha256 = digest
        UNION
        SELECT picture, id, image_path, label, label_source
        FROM sides JOIN garment USING (id) WHERE digest IS NULL
    ), pictures AS (
        SELECT DISTINCT ON (picture) picture, group_id,
               array_agg(found.image_path) OVER (
                   PARTITION BY picture ORDER BY found.label_source, found.id
                   ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
               ) AS image_paths,
               CASE found.label_source WHEN 'given' THEN found.label END AS label
        FROM found LEFT JOIN catalog_duplicates ON garment_id = found.id
        ORDER BY picture, found.label_source, found.id
    ), votes AS (
        SELECT least(query, match) AS one, greatest(query, match) AS other,
               count(*) FILTER (WHERE verdict = 'good') AS good,
               count(*) FILTER (WHERE verdict = 'bad') AS bad
        FROM judged WHERE query <> match
        GROUP BY one, other
    )
    SELECT one, other, good, bad,
           a.image_paths AS one_paths, a.label AS one_label, a.group_id AS one_group,
           b.image_paths AS other_paths, b.label AS other_label, b.group_id AS other_group
    FROM votes
    LEFT JOIN pictures AS a ON a.picture = one
    LEFT JOIN pictures AS b ON b.picture = other
    ORDER BY one, other
""")

GROUPS = text("""
    SELECT image_path, group_id FROM catalog_duplicates WHERE image_path = ANY (:image_paths)
""")


@dataclass(frozen=True, slots=True)
class Picture:
    """One side of a judged pair. key: the hex digest of its bytes, or its garment's id where they are
    unknown.

    image_paths: of the garments that have it; none where the catalog does not. label: of the first of
    them; None without one, and where it is only the network's own. duplicates: the group of
    near-duplicates that this garment is in, None where it is alone.
    """

    key: str
    image_paths: tuple[str, ...]
    label: str | None
    duplicates: int | None


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Two pictures, and how many said that they match, or that they do not."""

    one: Picture
    other: Picture
    good: int
    bad: int


def store_feedback(
    engine: Engine,
    match_id: int,
    verdict: Verdict,
    *,
    query_id: int | None = None,
    query_sha256: str | None = None,
) -> Feedback:
    """Keep a verdict on `match_id`, which was recommended for a garment or for a photo.

    query_sha256: hex digest of the photo's bytes. Raises `GarmentNotFound`, `FeedbackOfItself`.
    """
    if query_id == match_id:
        raise FeedbackOfItself()
    values = {
        "match_id": match_id,
        "verdict": verdict,
        "query_id": query_id,
        "query_sha256": None if query_sha256 is None else bytes.fromhex(query_sha256),
    }
    try:
        with engine.begin() as connection:
            row = connection.execute(STORE, values).one_or_none()
            if row is None:
                raise GarmentNotFound(f"There is no garment {match_id}.")
            if query_id is not None and row.query_id is None:
                raise GarmentNotFound(f"There is no garment {query_id}.")
            if row.itself:
                raise FeedbackOfItself()
            return Feedback(
                row.id, row.query_id, row.query_sha256, row.match_id, row.verdict, row.created_at
            )
    except IntegrityError as error:
        if not isinstance(error.orig, ForeignKeyViolation):
            raise
        # It was there, and its removal was committed meanwhile
        is_query = error.orig.diag.constraint_name == "fk_feedback_query_id"
        gone = query_id if is_query else match_id
        raise GarmentNotFound(f"There is no garment {gone}.") from None


def list_feedback(engine: Engine, *, limit: int, before: int | None = None) -> list[Feedback]:
    """The newest verdicts first. before: only those with a lower id."""
    values = {"limit": limit, "before": before if before is not None else 2**63 - 1}
    with engine.connect() as connection:
        return [Feedback(**row._mapping) for row in connection.execute(LIST, values)]


def delete_feedback(engine: Engine, feedback_id: int) -> None:
    """Raises `FeedbackNotFound`."""
    with engine.begin() as connection:
        if connection.execute(DELETE, {"id": feedback_id}).rowcount == 0:
            raise FeedbackNotFound(f"There is no feedback {feedback_id}.")


def judged_pairs(engine: Engine) -> list[JudgedPair]:
    """Every pair that was judged, whichever of the two was asked about, but for those of which one went
    that was imported without its photo, and for those that turned out to be one picture."""
    with engine.connect() as connection:
        return [
            JudgedPair(
                Picture(row.one, tuple(row.one_paths or ()), row.one_label, row.one_group),
                Picture(row.other, tuple(row.other_paths or ()), row.other_label, row.other_group),
                row.good,
                row.bad,
            )
            for row in connection.execute(PAIRS)
        ]


def duplicates_of(engine: Engine, image_paths: Collection[str]) -> dict[str, int]:
    """The group of near-duplicates of each of these garments that is in one; see `Picture`."""
    with engine.connect() as connection:
        rows = connection.execute(GROUPS, {"image_paths": list(image_paths)})
        return {row.image_path: row.group_id for row in rows}
