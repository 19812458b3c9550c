"""Imports as others see them: asked for, watched, cancelled, given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text

from service.catalog.imports.runs import SILENCE
from service.domain import ImportState, LabelSource
from service.errors import ImportNotFound

QUEUE = text("""
    INSERT INTO import_run (source, labels, state) VALUES (:source, :labels, 'queued') RETURNING id
""")

GET = text("""
    SELECT id, source, labels, state, error, started_at, finished_at, total,
           seen, added, updated, unchanged, rejected, cancel_requested
    FROM import_run WHERE id = :run_id
""")

PAGE = text("""
    SELECT id, source, labels, state, error, started_at, finished_at, total,
           seen, added, updated, unchanged, rejected, cancel_requested
    FROM import_run WHERE id < :before ORDER BY id DESC LIMIT :limit
""")

REJECTS = text("""
    SELECT image_path, reason FROM import_error WHERE run_id = :run_id ORDER BY id LIMIT :limit
""")

# One that waits is over at once; one that runs is told, and stops where its last batch ended
CANCEL = text("""
    UPDATE import_run
    SET cancel_requested = true,
        state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
        finished_at = CASE state WHEN 'queued' THEN now() END
    WHERE id = :run_id AND state IN ('queued', 'running')
""")

GIVE_UP = text("""
    UPDATE import_run SET state = 'failed', finished_at = now(), error = :error
    WHERE id = :run_id AND state IN ('queued', 'running')
""")

# Only those that no job will go on with; where there was one, it was tried often enough
SWEEP = text("""
    UPDATE import_run
    SET state = CASE WHEN cancel_requested THEN 'cancelled' WHEN given_up THEN 'failed'
                     ELSE 'interrupted' END,
        error = CASE WHEN given_up THEN 'The database went away too often.' END,
        finished_at = heartbeat_at
    FROM (
        SELECT run.id AS run_id, count(job.id) > 0 AS given_up
        FROM import_run AS run
        LEFT JOIN procrastinate_jobs AS job
               ON task_name = :task AND args ->> 'run_id' = run.id::text
        WHERE state = 'queued'
           OR (state = 'running' AND heartbeat_at < now() - make_interval(secs => :silence))
        GROUP BY run.id
        HAVING count(job.id) FILTER (WHERE status IN ('todo', 'doing')) = 0
    ) AS silent
    WHERE id = run_id
    RETURNING id
""")
TASK = "import_photos"  # of `service.jobs`


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One import as stored: seen = added + updated + unchanged + rejected.

    total: images in the source, None before they are counted. rejects: the first of them.
    """

    id: int
    source: str
    labels: LabelSource
    state: ImportState
    error: str | None
    started_at: datetime
    finished_at: datetime | None
    total: int | None
    seen: int
    added: int
    updated: int
    unchanged: int
    rejected: int
    cancel_requested: bool
    rejects: tuple[dict[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "state": self.state,
            "done": self.seen,
            "total": self.total,
            "errors": list(self.rejects),
            "error": self.error,
            "source": self.source,
            "labels": self.labels,
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "cancel_requested": self.cancel_requested,
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at and self.finished_at.isoformat(),
        }


def queue_import(
    engine: Engine,
    *,
    source: str,
    labels: LabelSource,
    enqueue: Callable[[psycopg.Connection, int], None],
) -> ImportRun:
    """Record an import that waits for a worker. enqueue: puts its job into the queue, given the
    driver's connection and the run's id, in the same transaction."""
    with engine.begin() as connection:
        run_id = connection.execute(QUEUE, {"source": source, "labels": labels}).scalar_one()
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        enqueue(driver, run_id)
        return _get(connection, run_id, 0)


def get_import(engine: Engine, run_id: int, *, max_rejects: int = 1000) -> ImportRun:
    """The import with its first rejects. Raises `ImportNotFound`."""
    with engine.connect() as connection:
        return _get(connection, run_id, max_rejects)


def list_imports(engine: Engine, *, limit: int, before: int | None = None) -> list[ImportRun]:
    """The newest imports first, without their rejects. before: only those with a lower id."""
    with engine.connect() as connection:
        values = {"limit": limit, "before": before if before is not None else 2**63 - 1}
        return [ImportRun(**row._mapping) for row in connection.execute(PAGE, values)]


def cancel_import(engine: Engine, run_id: int) -> ImportRun:
    """Ask an import to stop; one that is over stays as it is. Raises `ImportNotFound`."""
    with engine.begin() as connection:
        connection.execute(CANCEL, {"run_id": run_id})
        return _get(connection, run_id, 1000)


def give_up_import(engine: Engine, run_id: int, error: str) -> None:
    """Close an import that failed too often."""
    with engine.begin() as connection:
        connection.execute(GIVE_UP, {"run_id": run_id, "error": error})


def sweep_imports(engine: Engine, *, silence: float = SILENCE) -> list[int]:
    """Close the imports whose process died, or whose job was given up, and that nothing will go on with;
    returns their ids."""
    with engine.begin() as connection:
        return list(connection.scalars(SWEEP, {"silence": silence, "task": TASK}))


def _get(connection: Connection, run_id: int, max_rejects: int) -> ImportRun:
    row = connection.execute(GET, {"run_id": run_id}).one_or_none()
    if row is None:
        raise ImportNotFound(f"There is no import {run_id}.")
    rejects = connection.execute(REJECTS, {"run_id": run_id, "limit": max_rejects})
    return ImportRun(**row._mapping, rejects=tuple(dict(r._mapping) for r in rejects))
