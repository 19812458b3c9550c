"""Waiting for whoever waits for a lock."""

from __future__ import annotations

import time

from sqlalchemy import Engine, text

from service.catalog.similarity.shelves import LOCK

WAITING = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


def wait_for_a_waiter(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + 20
        while not connection.scalar(WAITING):
            assert time.monotonic() < deadline, "nobody waits for a lock"
            time.sleep(0.02)


def wait_for_the_builders_end(engine: Engine) -> None:
    """Its lock goes with its session, and that a moment after it was closed."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
