"""The bulk writer: batches of garments in, each batch whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import psycopg
from pgvector import HalfVector
from sqlalchemy import Connection, Engine, text

from service.catalog import categories, runs
from service.catalog.embeddings import to_halfvec
from service.catalog.engine import is_unavailable, unavailable
from service.domain import LabelSource
from service.errors import BundleMismatch

KNOWN = text("""
    SELECT image_path, encode(content_sha256, 'hex') AS content_sha256, label, label_source
    FROM garment
    WHERE image_path = ANY (:paths) AND model_id = :model_id
""")

# Keeps `models.attach` from replacing the model before this batch is committed
STILL_SERVING = text("SELECT FROM model WHERE id = :model_id AND serving FOR SHARE")

STAGING = text("""
    CREATE TEMPORARY TABLE staging ON COMMIT DROP AS
    SELECT image_path, label, label_source, confidence, predicted_label, content_sha256, embedding
    FROM garment WITH NO DATA
""")

COPY = "COPY staging FROM STDIN (FORMAT BINARY)"
COPY_TYPES = ["text", "text", "text", "float4", "text", "bytea", "halfvec"]

# In order of the path, so that two loaders which meet the same garments do not deadlock.
# xmax is 0 in a row that was inserted, and this transaction's id in one that was updated.
UPSERT = text("""
    WITH written AS (
        INSERT INTO garment (image_path, label, label_source, confidence, predicted_label,
                             content_sha256, embedding, model_id)
        SELECT image_path, label, label_source, confidence, predicted_label,
               content_sha256, embedding, :model_id
        FROM staging
        ORDER BY image_path
        ON CONFLICT (image_path) DO UPDATE
        SET label = EXCLUDED.label,
            label_source = EXCLUDED.label_source,
            confidence = EXCLUDED.confidence,
            predicted_label = EXCLUDED.predicted_label,
            content_sha256 = EXCLUDED.content_sha256,
            embedding = EXCLUDED.embedding,
            model_id = EXCLUDED.model_id,
            updated_at = now()
        RETURNING xmax = 0 AS added
    )
    SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS updated
    FROM written
""")


@dataclass(frozen=True, slots=True)
class Row:
    """A garment to be stored.

    confidence: the model's probability of `label`, 0 to 1. predicted_label: the model's own choice.
    embedding: (2048,) float32. content_sha256: hex digest of the image file's bytes.
    """

    image_path: str
    label: str
    label_source: LabelSource
    confidence: float
    predicted_label: str
    embedding: np.ndarray = field(repr=False, compare=False)
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog has of an image path: enough to tell whether it must be embedded again."""

    content_sha256: str
    label: str
    label_source: LabelSource


class Loader:
    """Writes garments that the serving model embedded. Safe to use from several threads."""

    def __init__(self, engine: Engine, model_id: int) -> None:
        self._engine = engine
        self._model_id = model_id

    def known(self, paths: Iterable[str]) -> dict[str, Known]:
        """Those of one batch's image paths that are stored with this model's embedding."""
        with self._engine.connect() as connection:
            found = connection.execute(KNOWN, {"paths": list(paths), "model_id": self._model_id})
            return {
                row.image_path: Known(row.content_sha256, row.label, row.label_source)
                for row in found
            }

    def write(self, rows: Sequence[Row], progress: runs.Progress | None = None) -> tuple[int, int]:
        """Insert or update by image path, in one transaction; returns (added, updated).

        Of two rows with one path the last one counts. `progress` is recorded in the same
        transaction, so that an import's counts never differ from what it stored.

        Raises ValueError for an embedding that cannot be stored (see `to_halfvec`), `LabelUnknown`,
        or `BundleMismatch` where the model was replaced meanwhile; then nothing was written.
        """
        latest = {row.image_path: row for row in rows}
        vectors = {path: to_halfvec(row.embedding) for path, row in latest.items()}
        with self._engine.begin() as connection:
            added = updated = 0
            if latest:
                self._require_serving(connection)
                rows = list(latest.values())
                categories.require(connection, (row.label for row in rows))
                categories.require(connection, (row.predicted_label for row in rows))
                connection.execute(STAGING)
                self._copy(connection, latest, vectors)
                added, updated = connection.execute(UPSERT, {"model_id": self._model_id}).one()
            if progress is not None:
                runs.record(connection, progress, added=added, updated=updated)
        return added, updated

    def _require_serving(self, connection: Connection) -> None:
        if connection.execute(STILL_SERVING, {"model_id": self._model_id}).one_or_none() is None:
            raise BundleMismatch("Another model was attached to the catalog. Start again.")

    def _copy(
        self, connection: Connection, rows: dict[str, Row], vectors: dict[str, HalfVector]
    ) -> None:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        try:
            with driver.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.set_types(COPY_TYPES)
                for path, row in rows.items():
                    copy.write_row(
                        (
                            path,
                            row.label,
                            row.label_source,
                            row.confidence,
                            row.predicted_label,
                            bytes.fromhex(row.content_sha256),
                            vectors[path],
                        )
                    )
        except psycopg.Error as error:  # SQLAlchemy does not see what is not its own cursor
            if not is_unavailable(error):
                raise
            connection.invalidate()
            raise unavailable(self._engine.url, error) from None
