"""Garments as the files that they were taken from: followed when moved, forgotten when gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from service.domain import LabelSource

PAGE_ROWS = 10_000

# Those that were imported without a photo have no hash, and need no file
PAGE = text("""
    SELECT id, image_path, encode(content_sha256, 'hex') AS content_sha256, label, label_source
    FROM garment
    WHERE id > :after AND content_sha256 IS NOT NULL
    ORDER BY id LIMIT :limit
""")

MOVE = text("""
    UPDATE garment SET image_path = :path, updated_at = now()
    WHERE id = :id AND image_path = :before AND content_sha256 = decode(:digest, 'hex')
      AND NOT EXISTS (SELECT FROM garment AS other WHERE other.image_path = :path)
    RETURNING id
""")

FORGET = text("""
    DELETE FROM garment
    USING unnest(CAST(:ids AS bigint[]), CAST(:paths AS text[])) AS gone (id, image_path)
    WHERE garment.id = gone.id AND garment.image_path = gone.image_path
    RETURNING garment.image_path
""")


@dataclass(frozen=True, slots=True)
class Filed:
    """A garment and the photo that it was taken from. content_sha256: hex digest."""

    id: int
    image_path: str
    content_sha256: str
    label: str
    label_source: LabelSource


@dataclass(frozen=True, slots=True)
class Move:
    """A garment whose photo lies at another path now."""

    garment: Filed
    image_path: str


class GarmentChanged(Exception):
    """A garment that was to be moved is no more what it was: another process moved or removed it."""


def filed_garments(engine: Engine) -> Iterator[Filed]:
    """Every garment that has a photo, by id; a page at a time, so that nothing is kept waiting."""
    after = 0
    while True:
        with engine.connect() as connection:
            rows = connection.execute(PAGE, {"after": after, "limit": PAGE_ROWS}).all()
        yield from (Filed(**row._mapping) for row in rows)
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].id


def move_garments(connection: Connection, moves: Sequence[Move]) -> int:
    """Give garments their new paths; returns how many, less those that changed meanwhile."""
    moved = 0
    for move in sorted(
        moves, key=lambda move: move.garment.id
    ):  # or two loaders wait for each other
        values = {
            "id": move.garment.id,
            "before": move.garment.image_path,
            "digest": move.garment.content_sha256,
            "path": move.image_path,
        }
        moved += connection.execute(MOVE, values).one_or_none() is not None
    return moved


def forget_garments(engine: Engine, garments: Sequence[Filed]) -> list[str]:
    """Remove garments, but for those that have another path by now; returns the paths removed."""
    values = {"ids": [g.id for g in garments], "paths": [g.image_path for g in garments]}
    with engine.begin() as connection:
        return sorted(connection.scalars(FORGET, values))
