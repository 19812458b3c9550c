"""Which garments another model has not seen yet, and what it says of them, written beside.

The ledger is the generation itself: a garment is done where its copy there is of the same path, bytes
and given label, and as old. So what is added, changed or deleted meanwhile is found by asking again,
and a run that was killed goes on with what is left. Whoever changes a garment sets `updated_at`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from service.catalog.loading.rows import COLUMNS, STAGING, Row, copy_rows
from service.catalog.models.beside import generation_schema, quoted
from service.domain import LabelSource

# {new} is the generation's table. Garments without a hash were imported without their photo, and it may be
# that of the earlier of two models that had none.
DONE = """
    {new}.id = garment.id AND {new}.updated_at = garment.updated_at
    AND {new}.image_path = garment.image_path
    AND (garment.content_sha256 IS NULL OR {new}.content_sha256 IS NULL
         OR {new}.content_sha256 = garment.content_sha256)
    AND {new}.label_source = garment.label_source
    AND (garment.label_source = 'predicted' OR {new}.label = garment.label)
"""

LEFT = """
    FROM garment
    WHERE NOT EXISTS (SELECT FROM {new} AS new WHERE {done})
      AND NOT EXISTS (SELECT FROM model_unread AS unread
                      WHERE unread.model_id = :model_id AND unread.garment_id = garment.id
                        AND unread.updated_at = garment.updated_at)
"""

NEXT = """
    SELECT id, image_path, label, label_source, encode(content_sha256, 'hex') AS content_sha256,
           updated_at
    {left} AND id > :after
    ORDER BY id LIMIT :rows
"""

COUNT_LEFT = "SELECT count(*) {left}"

# Of whatever columns `garment` has beyond what a model says
FACTS = text("""
    SELECT quote_ident(attname) FROM pg_attribute
    WHERE attrelid = to_regclass('garment') AND attnum > 0 AND NOT attisdropped
      AND attname <> ALL (CAST(:said AS text[]))
    ORDER BY attnum
""")

# A path may have been another garment's
MAKE_ROOM = """
    DELETE FROM {new} AS old USING staging
    WHERE old.image_path = staging.image_path
"""

# Only where the garment is still what was looked at; the others are met again
WRITE = """
    INSERT INTO {new} ({facts}, {said}) OVERRIDING SYSTEM VALUE
    SELECT {garment_facts}, {staged}
    FROM staging JOIN garment ON garment.image_path = staging.image_path
    WHERE garment.label_source = staging.label_source
      AND (garment.label_source = 'predicted' OR garment.label = staging.label)
      AND (garment.content_sha256 IS NULL OR garment.content_sha256 = staging.content_sha256)
    ON CONFLICT (id) DO UPDATE SET {changes}
"""

FORGET_DELETED = """
    DELETE FROM {new} AS old WHERE NOT EXISTS (SELECT FROM garment WHERE garment.id = old.id)
"""

UNREAD = text("""
    INSERT INTO model_unread (model_id, garment_id, updated_at, reason)
    VALUES (:model_id, :garment_id, :updated_at, :reason)
    ON CONFLICT (model_id, garment_id) DO UPDATE
    SET updated_at = EXCLUDED.updated_at, reason = EXCLUDED.reason
""")


@dataclass(frozen=True, slots=True)
class Left:
    """A garment that the model has not seen as it is now. content_sha256: None where unknown."""

    id: int
    image_path: str
    label: str
    label_source: LabelSource
    content_sha256: str | None
    updated_at: datetime


class Reembedding:
    """The garments beside, as one model sees them; see `generations`. One process at a time."""

    def __init__(self, engine: Engine, model_id: int) -> None:
        self._begin: Callable[[], AbstractContextManager[Connection]] = engine.begin
        self.model_id = model_id
        with engine.begin() as connection:
            self.table = f"{quoted(connection, generation_schema(connection, model_id))}.garment"
            said = COLUMNS.split(", ")
            facts = list(connection.scalars(FACTS, {"said": said}))
        left = LEFT.format(new=self.table, done=DONE.format(new="new"))
        self._next, self._count = text(NEXT.format(left=left)), text(COUNT_LEFT.format(left=left))
        self._forget = text(FORGET_DELETED.format(new=self.table))
        self._make_room = text(MAKE_ROOM.format(new=self.table))
        changes = [f"{name} = EXCLUDED.{name}" for name in (*facts, *said) if name != "id"]
        self._write = text(
            WRITE.format(
                new=self.table,
                facts=", ".join(facts),
                said=COLUMNS,
                garment_facts=", ".join(f"garment.{name}" for name in facts),
                staged=", ".join(f"staging.{name}" for name in said),
                changes=", ".join(changes),
            )
        )

    def within(self, connection: Connection) -> Reembedding:
        """The same in a transaction of the caller's, which sees what it has locked itself."""
        inside = copy(self)
        inside._begin = lambda: nullcontext(connection)
        return inside

    def left(self, *, after: int, rows: int) -> list[Left]:
        """The next garments to look at, by id."""
        values = {"model_id": self.model_id, "after": after, "rows": rows}
        with self._begin() as connection:
            return [Left(**row._mapping) for row in connection.execute(self._next, values)]

    def count_left(self) -> int:
        """How many there are."""
        with self._begin() as connection:
            return connection.scalar(self._count, {"model_id": self.model_id}) or 0

    def write(self, rows: Sequence[Row], unread: Sequence[tuple[Left, str]]) -> None:
        """Store what the model says of some garments, and which photos could not be read and why.

        Each path once; one call to a transaction. Raises ValueError for an embedding that cannot be
        stored (see `to_halfvec`).
        """
        with self._begin() as connection:
            if rows:
                connection.execute(STAGING)
                copy_rows(connection, "staging", rows, self.model_id)
                connection.execute(self._make_room)
                connection.execute(self._write)
            if unread:
                connection.execute(
                    UNREAD,
                    [
                        {
                            "model_id": self.model_id,
                            "garment_id": garment.id,
                            "updated_at": garment.updated_at,
                            "reason": reason,
                        }
                        for garment, reason in unread
                    ],
                )

    def forget_deleted(self) -> None:
        """Remove those that are no longer in the catalog."""
        with self._begin() as connection:
            connection.execute(self._forget)

    def try_unread_again(self) -> None:
        """Look at the photos again that could not be read before."""
        with self._begin() as connection:
            connection.execute(
                text("DELETE FROM model_unread WHERE model_id = :model_id"),
                {"model_id": self.model_id},
            )
