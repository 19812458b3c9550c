"""The job queue's tables as others see them: how many wait, and who works.

The tables are procrastinate's (see `migrations/sql`), which alone writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from sqlalchemy import Engine, text

from service.catalog.engine import LIBPQ_DEFAULTS, parse_url

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
    """The engine's database for a driver that is not SQLAlchemy's: libpq's URL, and parameters."""
    url = parse_url(engine.url.render_as_string(hide_password=False))
    parameters = {k: v for k, v in LIBPQ_DEFAULTS.items() if k not in url.query}
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return plain, parameters
