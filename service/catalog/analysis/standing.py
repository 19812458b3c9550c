"""The record of analyses: when the neighbours of every garment were last searched, and how far that
is where it is under way.

One runs at a time: it holds an advisory lock, and beats. One that is silent was killed; its record
goes with the next one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError

from service.catalog.database.engine import reading
from service.catalog.database.patience import unhurried_session
from service.errors import AnalysisCancelled, AnalysisRunning

LOCK = 0x414E414C595349  # "ANALYSI": the advisory lock's number, the same for every version
BEAT_EVERY = 2.0  # seconds
SILENCE = 60.0  # seconds without a beat after which an analysis was killed

TAKE = text("SELECT pg_try_advisory_lock(:lock)")
LEAVE = text("SELECT pg_advisory_unlock(:lock)")

BEGIN = text("""
    WITH killed AS (DELETE FROM analysis WHERE finished_at IS NULL)
    INSERT INTO analysis (model_id, duplicate_similarity, total)
    SELECT model.id, :similarity, (SELECT count(*) FROM garment WHERE model_id = model.id)
    FROM model WHERE serving
    RETURNING id, model_id, total
""")
# Who empties all tables at once, as `restore` does, has this one while it waits for those that the
# analysis reads: Postgres cannot see that the analysis waits as well
IMPATIENT = text("SELECT set_config('lock_timeout', '1s', true)")
BEAT = text("""
    UPDATE analysis SET heartbeat_at = clock_timestamp(), done = :done WHERE id = :id
    RETURNING cancel_requested
""")
FINISH = text("""
    WITH earlier AS (DELETE FROM analysis WHERE id <> :id)
    UPDATE analysis SET finished_at = clock_timestamp(), done = :total, total = :total
    WHERE id = :id
""")
FORGET = text("DELETE FROM analysis WHERE id = :id AND finished_at IS NULL")
CANCEL = text("UPDATE analysis SET cancel_requested = true WHERE finished_at IS NULL")
CANCEL_WAITING = text("""
    SELECT procrastinate_cancel_job_v1(id, false, false) FROM procrastinate_jobs
    WHERE task_name = :task AND status = 'todo'
""")
WAITS = text("""
    SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name = :task AND status = 'todo')
""")
TASK = "analyse_garments"  # of `service.jobs`

LAST = text("""
    SELECT started_at, finished_at, total, duplicate_similarity,
           model_id IS DISTINCT FROM (SELECT id FROM model WHERE serving) AS other_model,
           duplicate_similarity <> CAST(:wanted AS real) AS other_similarity
    FROM analysis WHERE finished_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT 1
""")
UNDER_WAY = text("""
    SELECT done, total FROM analysis
    WHERE finished_at IS NULL AND heartbeat_at > now() - make_interval(secs => :silence)
    ORDER BY id DESC LIMIT 1
""")
# Garments that came after it are in no neighbourhood; those that went took theirs along
CHANGED = text("""
    SELECT count(*) FROM garment LEFT JOIN neighbourhood ON garment_id = id
    WHERE garment_id IS NULL OR updated_at > :started_at
""")
LEFT = text("SELECT count(*) FROM neighbourhood")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the stored reports stand.

    made_at: when they were made; None: never. complaint: why they are not to be trusted, if so.
    progress: (done, total) garments of an analysis under way. queued: one waits for a worker.
    """

    made_at: datetime | None
    complaint: str | None
    progress: tuple[int, int] | None
    queued: bool

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        progress = self.progress
        return {
            "made_at": self.made_at and self.made_at.isoformat(),
            "complaint": self.complaint,
            "progress": progress and {"done": progress[0], "total": progress[1]},
            "queued": self.queued,
        }


@dataclass(slots=True)
class Record:
    """An analysis under way. total: garments that it is of."""

    id: int
    engine: Engine
    model_id: int
    total: int
    _beaten: float = field(default_factory=time.monotonic, repr=False)

    def beat(self, done: int) -> None:
        """Say that someone is at work, if that is due and can be said. Raises `AnalysisCancelled`."""
        if time.monotonic() - self._beaten < BEAT_EVERY:
            return
        try:
            with self.engine.begin() as connection:
                connection.execute(IMPATIENT)
                if connection.scalar(BEAT, {"id": self.id, "done": done}) is not False:
                    raise AnalysisCancelled()
        except DBAPIError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
        self._beaten = time.monotonic()

    def finish(self, connection: Connection, total: int) -> None:
        """Close it, in the transaction that stores what was found of `total` garments."""
        connection.execute(FINISH, {"id": self.id, "total": total})


@contextmanager
def begun(engine: Engine, *, duplicate_similarity: float) -> Iterator[Record | None]:
    """The record of an analysis that begins now; None where no model serves.

    It is gone afterwards unless it was finished. Raises `AnalysisRunning`.
    """
    with unhurried_session(engine) as connection:  # with which the lock goes, whatever happens
        if not connection.scalar(TAKE, {"lock": LOCK}):
            raise AnalysisRunning()
        row = connection.execute(BEGIN, {"similarity": duplicate_similarity}).one_or_none()
        record = None if row is None else Record(row.id, engine, row.model_id, row.total)
        try:
            yield record
        finally:
            if record is not None:
                connection.execute(FORGET, {"id": record.id})
            connection.execute(LEAVE, {"lock": LOCK})  # now: a session ends in its own time


def cancel_analysis(engine: Engine) -> None:
    """Let one that waits for a worker never begin, and ask the one under way to stop.

    What was stored before stays.
    """
    with engine.begin() as connection:
        connection.execute(CANCEL_WAITING, {"task": TASK})
        connection.execute(CANCEL)


def analysis_standing(engine: Engine, duplicate_similarity: float | None = None) -> Standing:
    """How the stored reports stand. duplicate_similarity: as it is set now; None is any."""
    with reading(engine) as connection:
        return standing(connection, duplicate_similarity)


def standing(connection: Connection, duplicate_similarity: float | None) -> Standing:
    """`analysis_standing` on a connection."""
    running = connection.execute(UNDER_WAY, {"silence": SILENCE}).one_or_none()
    progress = None if running is None else (running.done, running.total)
    queued = bool(connection.scalar(WAITS, {"task": TASK}))
    last = connection.execute(LAST, {"wanted": duplicate_similarity}).one_or_none()
    if last is None:
        never = "The neighbours of the garments were never searched."
        return Standing(None, never, progress, queued)
    complaint = _complaint(connection, last, duplicate_similarity)
    return Standing(last.finished_at, complaint, progress, queued)


def _complaint(connection: Connection, last: Row, wanted: float | None) -> str | None:
    if last.other_model:
        return "This was made with another model than the one that serves."
    complaints = []
    if last.other_similarity:
        complaints.append(
            f"This was made with {last.duplicate_similarity:g} as FASHION_STUDIO_DUPLICATE_SIMILARITY, "
            f"which is {wanted:g} by now."
        )
    changed = connection.scalar(CHANGED, {"started_at": last.started_at}) or 0
    removed = max(0, last.total - (connection.scalar(LEFT) or 0))
    said = [f"{changed} came or changed"] * (changed > 0) + [f"{removed} went"] * (removed > 0)
    if said:
        complaints.append(f"Of the garments {' and '.join(said)} since this was made.")
    return " ".join(complaints) or None
