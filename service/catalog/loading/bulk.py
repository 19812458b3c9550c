"""The loader of imported embeddings: what is there already is left alone, new rows go straight in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from hashlib import sha256

import psycopg
from pgvector import HalfVector
from sqlalchemy import Engine, text

from service.catalog.database.patience import UNHURRIED
from service.catalog.imports import runs
from service.catalog.loading.batches import require_labels, require_serving
from service.catalog.loading.rows import Row, insert, upsert
from service.catalog.similarity.indexes import Watcher, drop_index
from service.catalog.similarity.shelves import index_name, shelves

REBUILD_SHARE = 0.1
"""A shelf gives its index up when one import writes more than this share of its garments."""

# The embedding's digest, because the embedding itself would travel as text
STORED = text("""
    SELECT image_path, label, model_id, sha256(halfvec_send(embedding)) AS digest
    FROM garment WHERE image_path = ANY (:paths)
""")

# Of these labels those with an index; none where another model has taken over, whose indexes they are
INDEXED = text("""
    SELECT shelf.label FROM unnest(CAST(:labels AS text[]), CAST(:indexes AS text[])) AS shelf (label, name)
    JOIN pg_index ON indexrelid = to_regclass(name) AND indisvalid
                     AND indrelid = to_regclass('garment')
    WHERE EXISTS (SELECT FROM model WHERE id = :model_id AND serving)
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
        # Garments of labels, when one of them was first seen to have an index
        self._sizes: dict[str, int] = {}
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
        for label in self._indexed(set(labels)):
            if label not in self._sizes:
                sizes = {shelf.label: shelf.rows for shelf in shelves(self._engine)}
                self._sizes = sizes | self._sizes
            if self._written[label] > REBUILD_SHARE * self._sizes[label]:
                drop_index(self._engine, label, progress=self._building)

    def _indexed(self, labels: Collection[str]) -> Sequence[str]:
        values = {
            "labels": list(labels),
            "indexes": [index_name(label) for label in labels],
            "model_id": self._model_id,
        }
        with self._engine.connect() as connection:
            return connection.scalars(INDEXED, values).all()
