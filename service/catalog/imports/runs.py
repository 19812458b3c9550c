"""The record of an import, as whoever takes photos in holds it: begun, counted, beaten, closed.

Every start takes a new number of `attempt`, and only the newest one writes: a worker that was given
up for dead, and then wakes, finds that the record is no longer its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from sqlalchemy import Connection, Engine, TextClause, text

from service.domain import LabelSource
from service.errors import FashionStudioError, ImportCancelled, ImportLost

BEAT_EVERY = 5.0  # seconds
SILENCE = 60.0  # seconds without a beat after which no one is at work any more

START = text("""
    INSERT INTO import_run (source, labels, attempt) VALUES (:source, :labels, 1) RETURNING id
""")

# A run that was taken up before is taken up again: by then the other one is dead, or writes no more
TAKE_UP = text("""
    UPDATE import_run
    SET state = 'running', attempt = attempt + 1, heartbeat_at = now(), error = NULL
    WHERE id = :run_id AND state IN ('queued', 'running') AND NOT cancel_requested
    RETURNING id, source, labels, attempt, seen, last_item
""")

RESTART = text("""
    WITH forgotten AS (DELETE FROM import_error WHERE run_id = :run_id)
    UPDATE import_run
    SET seen = 0, added = 0, updated = 0, unchanged = 0, rejected = 0, last_item = NULL
    WHERE id = :run_id AND attempt = :attempt
""")

# An image is unchanged that was seen, but neither rejected nor written
RECORD = text("""
    UPDATE import_run
    SET seen = seen + :seen,
        added = added + :added,
        updated = updated + :updated,
        rejected = rejected + :rejected,
        unchanged = unchanged + :seen - :added - :updated - :rejected,
        last_item = :last_item,
        heartbeat_at = now()
    WHERE id = :run_id AND attempt = :attempt AND state = 'running'
""")

REJECT = text("""
    INSERT INTO import_error (run_id, image_path, reason) VALUES (:run_id, :image_path, :reason)
""")

BEAT = text("""
    UPDATE import_run SET heartbeat_at = now(), total = coalesce(:total, total)
    WHERE id = :run_id AND attempt = :attempt AND state = 'running'
    RETURNING cancel_requested
""")

FINISH = text("""
    UPDATE import_run SET state = :state, finished_at = now(), error = :error
    WHERE id = :run_id AND attempt = :attempt AND state = 'running'
""")

PUT_BACK = text("""
    UPDATE import_run
    SET state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
        finished_at = CASE WHEN cancel_requested THEN now() END
    WHERE id = :run_id AND attempt = :attempt AND state = 'running'
""")


@dataclass(slots=True)
class Run:
    """An import under way. seen, last_item: where it goes on, if it was begun before."""

    id: int
    engine: Engine
    source: str
    labels: LabelSource
    attempt: int = 1
    seen: int = 0
    last_item: str | None = None
    _beaten: float = field(default_factory=time.monotonic, repr=False)

    @classmethod
    def start(cls, engine: Engine, *, source: str, labels: LabelSource) -> Self:
        """Open the record of an import that begins now."""
        with engine.begin() as connection:
            values = {"source": _storable(source), "labels": labels}
            run_id = connection.execute(START, values).scalar_one()
        return cls(run_id, engine, source, labels)

    @classmethod
    def take_up(cls, engine: Engine, run_id: int) -> Self | None:
        """Begin an import that waits, or go on with one whose worker died; None where it is over."""
        with engine.begin() as connection:
            row = connection.execute(TAKE_UP, {"run_id": run_id}).one_or_none()
        if row is None:
            return None
        return cls(row.id, engine, row.source, row.labels, row.attempt, row.seen, row.last_item)

    def restart(self) -> None:
        """Forget what was counted: the source is no longer what it was."""
        self._execute(RESTART)
        self.seen, self.last_item = 0, None

    def beat(self, *, total: int | None = None, now: bool = False) -> None:
        """Say that someone is at work, if that is due. total: images in the source, once counted.

        Raises `ImportCancelled`, and `ImportLost` where another process has the record.
        """
        if not now and total is None and time.monotonic() - self._beaten < BEAT_EVERY:
            return
        with self.engine.begin() as connection:
            values = {"run_id": self.id, "attempt": self.attempt, "total": total}
            cancelled = connection.execute(BEAT, values).scalar_one_or_none()
        if cancelled is None:
            raise ImportLost()
        if cancelled:
            raise ImportCancelled()
        self._beaten = time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Meanwhile a thread beats: whoever waits for others has nothing to say that would do it.

        What it is told, `beat` raises where the work goes on.
        """
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT_EVERY):
                with suppress(FashionStudioError):
                    self.beat(now=True)

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def finish(
        self, state: Literal["done", "failed", "cancelled", "interrupted"], error: str | None = None
    ) -> None:
        """Close the record. error: why, in one line, where it failed."""
        self._execute(FINISH, state=state, error=error and _storable(error))

    def put_back(self) -> None:
        """Let another worker go on with it, unless it was cancelled meanwhile."""
        self._execute(PUT_BACK)

    def _execute(self, statement: TextClause, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement, {"run_id": self.id, "attempt": self.attempt} | values)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a batch of an import saw, besides the rows that `Loader.write` stores.

    seen: images in the batch, of every fate. last_item: the name of its last one. rejects:
    `{"image_path", "reason"}` of those that could not be taken.
    """

    run: Run
    seen: int
    rejects: Sequence[Mapping[str, Any]] = ()
    last_item: str | None = None


def record(connection: Connection, progress: Progress, *, added: int, updated: int) -> None:
    """Add a batch to its import's counts, within the batch's transaction.

    Raises `ImportLost` where another process has the record: then the batch is not written either.
    """
    run = progress.run
    found = connection.execute(
        RECORD,
        {
            "run_id": run.id,
            "attempt": run.attempt,
            "seen": progress.seen,
            "added": added,
            "updated": updated,
            "rejected": len(progress.rejects),
            "last_item": progress.last_item and _storable(progress.last_item),
        },
    )
    if found.rowcount != 1:
        raise ImportLost()
    if progress.rejects:
        connection.execute(
            REJECT,
            [
                {"run_id": run.id}
                | {key: _storable(reject[key]) for key in ("image_path", "reason")}
                for reject in progress.rejects
            ],
        )


def _storable(said: str) -> str:
    """Text as Postgres can hold it: a path may have, and be rejected for, the very bytes that it cannot."""
    return said.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
