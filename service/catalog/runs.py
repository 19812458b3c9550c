"""The record of imports: what each one saw, and which images it rejected and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from sqlalchemy import Connection, Engine, text

from service.domain import LabelSource
from service.errors import ImportNotFound

START = text("""
    INSERT INTO import_run (source, labels, total) VALUES (:source, :labels, :total) RETURNING id
""")

# An image is unchanged that was seen, but neither rejected nor written
RECORD = text("""
    UPDATE import_run
    SET seen = seen + :seen,
        added = added + :added,
        updated = updated + :updated,
        rejected = rejected + :rejected,
        unchanged = unchanged + :seen - :added - :updated - :rejected
    WHERE id = :run_id
""")

REJECT = text("""
    INSERT INTO import_error (run_id, image_path, reason) VALUES (:run_id, :image_path, :reason)
""")

FINISH = text("UPDATE import_run SET state = :state, finished_at = now() WHERE id = :run_id")

GET = text("""
    SELECT id, source, labels, state, started_at, finished_at, total,
           seen, added, updated, unchanged, rejected
    FROM import_run WHERE id = :run_id
""")

REJECTS = text("""
    SELECT image_path, reason FROM import_error WHERE run_id = :run_id ORDER BY id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Run:
    """An import under way, as its writer holds it."""

    id: int
    engine: Engine

    @classmethod
    def start(
        cls, engine: Engine, *, source: str, labels: LabelSource, total: int | None = None
    ) -> Self:
        """Open the record of an import. total: its images, where they were counted."""
        with engine.begin() as connection:
            values = {"source": source, "labels": labels, "total": total}
            return cls(connection.execute(START, values).scalar_one(), engine)

    def finish(self, state: Literal["done", "failed"]) -> None:
        """Close the record."""
        with self.engine.begin() as connection:
            connection.execute(FINISH, {"run_id": self.id, "state": state})


@dataclass(frozen=True, slots=True)
class Progress:
    """What a batch of an import saw, besides the rows that `Loader.write` stores.

    seen: images in the batch, of every fate. rejects: `{"image_path", "reason"}` of those that
    could not be taken.
    """

    run: Run
    seen: int
    rejects: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One import as stored: seen = added + updated + unchanged + rejected."""

    id: int
    source: str
    labels: LabelSource
    state: Literal["running", "done", "failed"]
    started_at: datetime
    finished_at: datetime | None
    total: int | None
    seen: int
    added: int
    updated: int
    unchanged: int
    rejected: int
    rejects: tuple[dict[str, str], ...]


def record(connection: Connection, progress: Progress, *, added: int, updated: int) -> None:
    """Add a batch to its import's counts, within the batch's transaction."""
    run_id = progress.run.id
    connection.execute(
        RECORD,
        {
            "run_id": run_id,
            "seen": progress.seen,
            "added": added,
            "updated": updated,
            "rejected": len(progress.rejects),
        },
    )
    if progress.rejects:
        connection.execute(
            REJECT,
            [
                {"run_id": run_id}
                | {key: _storable(reject[key]) for key in ("image_path", "reason")}
                for reject in progress.rejects
            ],
        )


def get_import(engine: Engine, run_id: int, *, max_rejects: int = 1000) -> ImportRun:
    """The import with its first rejects. Raises `ImportNotFound`."""
    with engine.connect() as connection:
        row = connection.execute(GET, {"run_id": run_id}).one_or_none()
        if row is None:
            raise ImportNotFound(f"There is no import {run_id}.")
        rejects = connection.execute(REJECTS, {"run_id": run_id, "limit": max_rejects})
        return ImportRun(**row._mapping, rejects=tuple(dict(r._mapping) for r in rejects))


def _storable(said: str) -> str:
    """Text as Postgres can hold it: a path may be rejected for the very bytes that it cannot."""
    return said.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
