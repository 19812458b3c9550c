"""The bulk writer: batches of garments in, each batch whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from service.catalog.garments import categories
from service.catalog.imports import runs
from service.catalog.loading.files import GarmentChanged, Move, move_garments
from service.catalog.loading.rows import Row, upsert
from service.domain import LabelSource
from service.errors import BundleMismatch

KNOWN = text("""
    SELECT image_path, encode(content_sha256, 'hex') AS content_sha256, label, label_source
    FROM garment
    WHERE image_path = ANY (:paths) AND model_id = :model_id
""")

# Keeps `models.attach` from replacing the model before this batch is committed
STILL_SERVING = "SELECT FROM model WHERE id = :model_id AND serving "
BESIDE_OTHERS, ALONE = text(STILL_SERVING + "FOR SHARE"), text(STILL_SERVING + "FOR NO KEY UPDATE")


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog has of an image path: enough to tell whether it must be embedded again.

    content_sha256: None where the embedding was imported without its photo.
    """

    content_sha256: str | None
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

    def write(
        self,
        rows: Sequence[Row],
        progress: runs.Progress | None = None,
        moves: Sequence[Move] = (),
    ) -> tuple[int, int]:
        """Insert or update by image path, in one transaction; returns (added, updated).

        Of two rows with one path the last one counts. moves: garments that get their new path before
        that, and count as updated, once. `progress` is recorded in the same
        transaction, so that an import's counts never differ from what it stored.

        Raises ValueError for an embedding that cannot be stored (see `to_halfvec`), `LabelUnknown`,
        `BundleMismatch` where the model was replaced meanwhile, or `GarmentChanged` where a garment to
        be moved was; then nothing was written.
        """
        latest = {row.image_path: row for row in rows}
        with self._engine.begin() as connection:
            added = updated = 0
            if latest or moves:  # before any garment is touched: `swap` locks in this order
                require_serving(connection, self._model_id)
            _move(connection, moves)
            if latest:
                rows = list(latest.values())
                require_labels(connection, rows)
                added, updated = upsert(connection, rows, self._model_id)
            updated += sum(move.image_path not in latest for move in moves)
            if progress is not None:
                runs.record(connection, progress, added=added, updated=updated)
        return added, updated


def _move(connection: Connection, moves: Sequence[Move]) -> None:
    try:
        moved = move_garments(connection, moves)
    except IntegrityError as error:  # a garment came to that path meanwhile, and was not to be seen
        if not isinstance(error.orig, UniqueViolation):
            raise
        raise GarmentChanged from None
    if moved < len(moves):
        raise GarmentChanged


def require_serving(connection: Connection, model_id: int, *, alone: bool = False) -> None:
    """Keep the model as it is until the transaction ends. Raises `BundleMismatch`.

    alone: other batches wait meanwhile, and this one waits for those under way.
    """
    statement = ALONE if alone else BESIDE_OTHERS
    if connection.execute(statement, {"model_id": model_id}).one_or_none() is None:
        raise BundleMismatch("Another model was attached to the catalog. Start again.")


def require_labels(connection: Connection, rows: Iterable[Row]) -> None:
    """Raises `LabelUnknown` unless every label of the rows is a category."""
    named = (label for row in rows for label in (row.label, row.predicted_label))
    categories.require(connection, (label for label in named if label is not None))
