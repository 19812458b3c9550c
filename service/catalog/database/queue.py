"""The job queue's tables as others see them: how many wait, and who works.

The tables are procrastinate's (see `migrations/sql`), which alone writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, text

from service.catalog.database.urls import libpq_defaults, libpq_parameters

JOBS = text(
    "SELECT status::text AS state, count(*) AS jobs FROM procrastinate_jobs GROUP BY status"
)

# Without a beat for this long a worker counts as dead; `service.jobs` beats much more often
WORKERS = text("""
    SELECT count(*) FROM procrastinate_workers
    WHERE last_heartbeat > now() - make_interval(secs => :silence)
""")


@dataclass(frozen=True, slots=True)
class QueueState:
    """workers: alive. jobs: by state, as procrastinate names them (todo, doing, failed, …)."""

    workers: int
    jobs: dict[str, int]


def queue_state(engine: Engine, *, silence: float) -> QueueState:
    """How busy the queue is. silence: seconds after which a worker counts as dead."""
    with engine.connect() as connection:
        workers = connection.scalar(WORKERS, {"silence": silence}) or 0
        jobs = {row.state: row.jobs for row in connection.execute(JOBS)}
    return QueueState(workers, jobs)


def in_transaction(engine: Engine, enqueue: Callable[[psycopg.Connection], object]) -> None:
    """Let `enqueue` put a job into the queue by the driver's connection, committed when it returns."""
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        enqueue(driver)


def libpq(engine: Engine) -> tuple[str, dict[str, object]]:
    """The engine's database for a driver that is not SQLAlchemy's: libpq's line, and parameters."""
    return make_conninfo(**libpq_parameters(engine.url)), libpq_defaults(engine.url)
