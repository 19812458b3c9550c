"""Work on the catalog's tables that must keep nobody waiting, and that one process does at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from service.catalog.database.engine import own_session
from service.errors import DatabaseUnavailable, SwitchRunning

LOCK = 0x4D4F44454C  # "MODEL": the advisory lock of whoever works on another model's garments

BUSY_PATIENCE, PAUSE = 600.0, 0.5  # seconds

UNHURRIED = text("SELECT set_config('statement_timeout', '0', true)")
"""For a transaction whose one statement reads or writes very much: it takes its time, whatever the
server's limit."""

PATIENCE = 2.0  # seconds in which the server notices that a holder has gone


def until_free(attempt: Callable[[], bool]) -> None:
    """Try a transaction with a short `lock_timeout` until it says that it is done: whoever waits behind
    its locks has a turn in between. Raises `DatabaseUnavailable` when patience ends."""
    deadline = time.monotonic() + BUSY_PATIENCE
    while time.monotonic() < deadline:
        try:
            if attempt():
                return
        except DBAPIError as error:
            if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
            time.sleep(PAUSE)
    raise DatabaseUnavailable(
        "The catalog's tables stay busy. Nothing was changed; try again when no import or export runs."
    )


@contextmanager
def only_switcher(engine: Engine) -> Iterator[None]:
    """Holds the lock of whoever works on generations; freed at once where this process dies.

    Raises `SwitchRunning` where another process holds it.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        own_session(connection)
        deadline = time.monotonic() + PATIENCE
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}):
            if time.monotonic() > deadline:
                raise SwitchRunning()
            time.sleep(0.1)
        try:
            yield
        finally:
            connection.invalidate()  # closes the session, and with it the lock
