"""Waiting for whoever waits for a lock."""

from __future__ import annotations

import time

from sqlalchemy import Engine, text

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
