"""The loader of imported embeddings: what is there already is left alone, new rows go straight in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import psycopg
from pgvector import HalfVector
from sqlalchemy import Engine, text

from service.catalog.database.patience import UNHURRIED
from service.catalog.imports import runs
from service.catalog.loading.batches import require_labels, require_serving
from service.catalog.loading.rows import Row, insert, upsert
from service.catalog.similarity.indexes import Watcher, drop_index
from service.catalog.similarity.shelves import index_name

REBUILD_SHARE = 0.1
"""A shelf gives its index up when one import writes more than this share of its garments."""

# The embedding's digest, because the embedding itself would travel as text
STORED = text("""
    SELECT image_path, label, model_id, sha256(halfvec_send(embedding)) AS digest
    FROM garment WHERE image_path = ANY (:paths)
""")

# Labels with an index and no more than so many garments, which are counted no further. Those of another
# model that has taken over are none of this import's.
OUTGROWN = text("""
    SELECT shelf.label FROM unnest(
        CAST(:labels AS text[]), CAST(:indexes AS text[]), CAST(:few AS bigint[])
    ) AS shelf (label, name, few)
    WHERE EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(name) AND indisvalid
                                             AND indrelid = to_regclass('garment'))
      AND NOT EXISTS (SELECT FROM garment WHERE garment.label = shelf.label OFFSET few)
      AND EXISTS (SELECT FROM model WHERE id = :model_id AND serving)
""")


class BulkLoader:
    """The writer of one import. Not for use by several threads.

    Where an import turns out large for a label with a similarity index, the index is dropped: searches
    of the label are exact until `build_indexes`, after the import, has built it again. So is one that
    is built meanwhile. building: called while a builder is waited for; what it raises ends the write.
    """

    def __init__(
        self, engine: Engine, model_id: int, *, building: Watcher = lambda building: None
    ) -> None:
        self._engine = engine
        self._model_id = model_id
        self._building = building
        self._written: Counter[str] = Counter()

    def write(self, rows: Sequence[Row], progress: runs.Progress) -> tuple[int, int]:
        """Store a batch and its progress in one transaction; returns (added, updated).

        rows: each path once. A garment that has the path, label and embedding already is left alone.
        Raises as `Loader.write`.
        """
        stored = self._stored(rows)
        new = [row for row in rows if row.image_path not in stored]
        changed = [row for row in rows if stored.get(row.image_path) is False]
        self._make_way([row.label for row in (*new, *changed)])
        try:
            return self._store(new, changed, progress)
        except psycopg.errors.UniqueViolation:  # another loader was quicker with one of the paths
            return self._store([], [*new, *changed], progress)

    def _stored(self, rows: Sequence[Row]) -> dict[str, bool]:
        """Those of the rows' paths that the catalog has: whether their garment is the row's."""
        wanted = {row.image_path: row for row in rows}
        with self._engine.connect() as connection:
            return {
                path: label == wanted[path].label
                and model_id == self._model_id
                and digest == sha256(HalfVector(wanted[path].embedding).to_binary()).digest()
                for path, label, model_id, digest in connection.execute(
                    STORED, {"paths": list(wanted)}
                )
            }

    def _store(
        self, new: Sequence[Row], changed: Sequence[Row], progress: runs.Progress
    ) -> tuple[int, int]:
        with self._engine.begin() as connection:
            connection.execute(UNHURRIED)
            # Alone, because new rows go in as they come, not in the order of their paths
            require_serving(connection, self._model_id, alone=True)
            require_labels(connection, (*new, *changed))
            added, updated = len(new), 0
            if new:
                insert(connection, new, self._model_id)
            if changed:
                more, updated = upsert(connection, changed, self._model_id)
                added += more
            runs.record(connection, progress, added=added, updated=updated)
        return added, updated

    def _make_way(self, labels: Sequence[str]) -> None:
        """Drop the indexes that cost more to keep up than to build again."""
        self._written.update(labels)
        touched = sorted(set(labels))
        values = {
            "labels": touched,
            "indexes": [index_name(label) for label in touched],
            "few": [round(self._written[label] / REBUILD_SHARE) for label in touched],
            "model_id": self._model_id,
        }
        with self._engine.connect() as connection:
            outgrown = connection.scalars(OUTGROWN, values).all()
        for label in outgrown:
            drop_index(self._engine, label, progress=self._building)
