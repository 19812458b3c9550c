"""Garments on their way into the table: the one place where a row becomes the bytes of a COPY."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection, text

from service.catalog.database.engine import driver_of
from service.catalog.garments.embeddings import to_half
from service.catalog.schema.tables import COMPONENTS, FEATURES
from service.catalog.similarity.projection import Projection, projection_of
from service.domain import LabelSource

COLUMNS = (
    "image_path, label, label_source, confidence, predicted_label, content_sha256, embedding, "
    "components, model_id"
)

STAGING = text(f"""
    CREATE TEMPORARY TABLE staging ON COMMIT DROP AS SELECT {COLUMNS} FROM garment WITH NO DATA
""")

COPY = f"COPY {{table}} ({COLUMNS}) FROM STDIN (FORMAT BINARY)"

# In order of the path, so that two loaders which meet the same garments do not deadlock.
# What a row does not say, because its embedding was imported, stays as it was where the embedding
# is the same: it still tells of the same photo.
# xmax is 0 in a row that was inserted, and this transaction's id in one that was updated.
UPSERT = text(f"""
    WITH written AS (
        INSERT INTO garment ({COLUMNS})
        SELECT {COLUMNS} FROM staging ORDER BY image_path
        ON CONFLICT (image_path) DO UPDATE
        SET label = EXCLUDED.label,
            label_source = EXCLUDED.label_source,
            confidence = coalesce(EXCLUDED.confidence, CASE
                WHEN garment.embedding = EXCLUDED.embedding AND garment.label = EXCLUDED.label
                THEN garment.confidence END),
            predicted_label = coalesce(EXCLUDED.predicted_label, CASE
                WHEN garment.embedding = EXCLUDED.embedding THEN garment.predicted_label END),
            content_sha256 = coalesce(EXCLUDED.content_sha256, CASE
                WHEN garment.embedding = EXCLUDED.embedding THEN garment.content_sha256 END),
            embedding = EXCLUDED.embedding,
            components = EXCLUDED.components,
            model_id = EXCLUDED.model_id,
            updated_at = now()
        RETURNING xmax = 0 AS added
    )
    SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS updated
    FROM written
""")

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
FIELDS = struct.pack(">h", COLUMNS.count(",") + 1)
EMBEDDING, REDUCED = (  # bytes, dimensions, unused
    struct.pack(">ihh", 4 + 2 * dimensions, dimensions, 0) for dimensions in (FEATURES, COMPONENTS)
)
BLOCK = 256  # rows encoded at once: 1 MB

LONGEST_PATH = 2000  # bytes; a b-tree entry holds 2704


@dataclass(frozen=True, slots=True)
class Row:
    """A garment to be stored.

    confidence: the model's probability of `label`, 0 to 1. predicted_label: the model's own choice.
    embedding: (2048,) of any float dtype. content_sha256: hex digest of the image file's bytes.
    None where the embedding comes without its photo.
    """

    image_path: str
    label: str
    label_source: LabelSource
    confidence: float | None
    predicted_label: str | None
    embedding: np.ndarray = field(repr=False, compare=False)
    content_sha256: str | None


def is_storable(image_path: str) -> bool:
    """Whether Postgres can hold the path, and index it: UTF-8 without NUL, not too long."""
    try:
        encoded = image_path.encode()
        return b"\0" not in encoded and len(encoded) <= LONGEST_PATH
    except UnicodeEncodeError:
        return False


def insert(connection: Connection, rows: Sequence[Row], model_id: int) -> None:
    """Store rows of new paths, in their order: about a quarter faster than `upsert`.

    Raises psycopg's UniqueViolation where the catalog has a path, and as `upsert`.
    """
    copy_rows(connection, "garment", rows, model_id)


def upsert(connection: Connection, rows: Sequence[Row], model_id: int) -> tuple[int, int]:
    """Insert or update by image path, each path once in `rows`; returns (added, updated).

    Raises ValueError for an embedding that cannot be stored (see `to_halfvec`).
    """
    connection.execute(STAGING)
    copy_rows(connection, "staging", rows, model_id)
    added, updated = connection.execute(UPSERT).one()
    return added, updated


def copy_rows(connection: Connection, table: str, rows: Sequence[Row], model_id: int) -> None:
    """Into a table that has `COLUMNS`, as `insert` and `upsert` do."""
    projection = projection_of(connection, model_id)
    with (
        driver_of(connection) as driver,
        driver.cursor() as cursor,
        cursor.copy(COPY.format(table=table).encode()) as copy,
    ):
        copy.write(SIGNATURE)
        for block in _encoded(rows, model_id, projection):
            copy.write(block)
        copy.write(TRAILER)


def _encoded(rows: Sequence[Row], model_id: int, projection: Projection | None) -> Iterator[bytes]:
    """The rows as COPY reads them, the embeddings of a block at once: adapting value by value, as
    psycopg does, takes longer than Postgres takes to store them."""
    last = struct.pack(">ii", 4, model_id)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        half = to_half([row.embedding for row in block])
        vectors = _values(EMBEDDING, half)
        reduced = [NULL] * len(block) if projection is None else _values(REDUCED, projection(half))
        yield b"".join(
            part
            for row, vector, components in zip(block, vectors, reduced, strict=True)
            for part in (
                FIELDS,
                _bytes(row.image_path.encode()),
                _bytes(row.label.encode()),
                _bytes(row.label_source.encode()),
                NULL if row.confidence is None else struct.pack(">if", 4, row.confidence),
                NULL if row.predicted_label is None else _bytes(row.predicted_label.encode()),
                NULL if row.content_sha256 is None else _bytes(bytes.fromhex(row.content_sha256)),
                vector,
                components,
                last,
            )
        )


def _values(head: bytes, vectors: np.ndarray) -> list[bytes]:
    """(n, dimensions) float16 as n fields of a COPY."""
    return [head + vector.tobytes() for vector in vectors.astype(">f2")]


def _bytes(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value
