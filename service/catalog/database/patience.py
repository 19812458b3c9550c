"""Work on the catalog's tables that must keep nobody waiting, and that one process does at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from service.catalog.database.engine import own_session
from service.errors import DatabaseUnavailable, SwitchRunning

LOCK = 0x4D4F44454C  # "MODEL": the advisory lock of whoever works on another model's garments

BUSY_PATIENCE, PAUSE = 600.0, 0.5  # seconds

UNHURRIED = text("SELECT set_config('statement_timeout', '0', true)")
"""For a transaction whose one statement reads or writes very much: it takes its time, whatever the
server's limit."""

# Not every version of Postgres has all of these
UNTIMED = text("""
    SELECT set_config(name, '0', false) FROM pg_settings
    WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_session_timeout',
                   'idle_in_transaction_session_timeout')
""")

ASK_EVERY = 0.2  # seconds

PATIENCE = 2.0  # seconds in which the server notices that a holder has gone


def until_free(attempt: Callable[[], bool], *, so_far: str = "Nothing was changed") -> None:
    """Try a transaction with a short `lock_timeout` until it says that it is done: whoever waits behind
    its locks has a turn in between. Raises `DatabaseUnavailable` when patience ends, which says what became
    of it `so_far`."""
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
        f"The catalog's tables stay busy. {so_far}; try again when no import or export runs."
    )


@contextmanager
def unhurried_session(
    engine: Engine,
    isolation: Literal["AUTOCOMMIT", "READ COMMITTED", "REPEATABLE READ"] = "AUTOCOMMIT",
) -> Iterator[Connection]:
    """A session that works, waits, or is idle for as long as it likes, whatever the server's timeouts.

    Closed at the end, and with it go its settings and its locks. Raises as `own_session`.
    """
    with engine.connect().execution_options(isolation_level=isolation) as connection:
        own_session(connection)
        try:
            connection.execute(UNTIMED)
            connection.commit()
            yield connection
        finally:
            connection.invalidate()


def take_lock(connection: Connection, lock: int, waiting: Callable[[], None]) -> None:
    """Take an advisory lock of the session's; `waiting` is called while another one has it, and may raise.

    Asked for again and again, because a session that waits in pg_advisory_lock() holds a snapshot, and
    CREATE INDEX CONCURRENTLY in whoever has the lock would wait for its end.
    """
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": lock}):
        connection.rollback()
        waiting()
        time.sleep(ASK_EVERY)


@contextmanager
def only_switcher(engine: Engine) -> Iterator[None]:
    """Holds the lock of whoever works on generations; freed at once where this process dies.

    Raises `SwitchRunning` where another process holds it.
    """
    with unhurried_session(engine) as connection:
        deadline = time.monotonic() + PATIENCE

        def waiting() -> None:
            if time.monotonic() > deadline:
                raise SwitchRunning()

        take_lock(connection, LOCK, waiting)
        yield
