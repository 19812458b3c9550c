"""One replica, and how it is known that it is not too far behind.

A replica is a standby that Postgres's own streaming replication keeps. How far it is behind cannot be
read off it alone: `now() - pg_last_xact_replay_timestamp()` grows while nobody writes, and a standby
whose connection is cut says that it has replayed all it received. So both servers are asked where
they are in the WAL, once a second. What the primary had at a moment by our own clock, the replica has
as soon as it has replayed that far; it is as far behind as that moment is past. No clocks of two
machines are compared, nothing is written, and no rights are needed.
"""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from socket import SHUT_RDWR, socket

import psycopg
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from service.catalog.database.engine import open_engine, reading
from service.catalog.models.beside import close_generations
from service.errors import DatabaseUnavailable, FashionStudioError

LOOK_PATIENCE = 2.0  # seconds for a look

# Bytes of WAL: a primary has written them, a standby has replayed them
POSITION = text("""
    SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
            - '0/0')::bigint
""")

MOST_MISSING = 3600  # moments that are kept of a standby that does not catch up


class Replica:
    """One standby. lag_seconds: how far behind it may be to answer."""

    def __init__(self, engine: Engine, lag_seconds: float) -> None:
        self.engine = engine
        self.name = f"{engine.url.host or engine.url.query.get('host')}:{engine.url.port or 5432}"
        self._limit = lag_seconds
        self._lookout = lookout(engine)
        self._missing: deque[tuple[float, int]] = deque()  # moments, and what it lacks of them
        self._reached: int | None = None  # by the primary, when it last answered
        self._had_all = time.monotonic()  # of the primary's at that moment
        self._has_met = False  # until then that moment is only when we began to look
        self._trouble: str | None = "it was not asked yet"
        self._busy: dict[ConnectionPoolEntry, psycopg.Connection] = {}
        for one in (self.engine, self._lookout):
            event.listen(one, "checkout", lambda c, entry, _: self._busy.update({entry: c}))
            event.listen(one, "checkin", lambda _, entry: self._busy.pop(entry, None))

    @property
    def lag(self) -> float:
        """Seconds since the last moment of which it is known to have everything."""
        return time.monotonic() - self._had_all

    @property
    def trouble(self) -> str | None:
        """Why it does not answer now; None where it does."""
        if self._trouble is None and self.lag > self._limit:
            return f"it is {self.lag:.0f} s behind, and may be {self._limit:g}"
        return self._trouble

    def look(self, primary: Engine) -> None:
        """Ask both servers where they are. Raises nothing that they refuse."""
        try:
            replayed = position(self._lookout)
        except (FashionStudioError, SQLAlchemyError) as error:
            self.fail(error)
            return
        moment = time.monotonic()
        try:
            reached = position(primary)
        except (FashionStudioError, SQLAlchemyError):
            # As long as the primary is away, a replica should have what it was last seen to have
            if self._reached is None:
                return
        else:
            if replayed > reached:  # and so it stays, however much the primary writes from then on
                self._missing.clear()
                self._reached, self._has_met = None, False
                self._trouble = "it has what the primary never wrote"
                return
            if self._reached is not None and reached < self._reached:
                self._missing.clear()  # another one took over, without the last that was written
            self._reached = reached
        if len(self._missing) == MOST_MISSING:
            self._missing.pop()  # it stands still: the last one stands for those before it
        self._missing.append((moment, self._reached))
        while self._missing and self._missing[0][1] <= replayed:
            self._had_all, self._has_met = self._missing.popleft()[0], True
        self._trouble = None if self._has_met else "it was never seen to have caught up"

    def catch_up(self, primary: Engine) -> float:
        """Seconds until it has all that the primary has now. Raises `DatabaseUnavailable` where that
        takes longer than it may, or it has what the primary never wrote."""
        reached, began = position(primary), time.monotonic()
        while position(self._lookout) < reached:
            if time.monotonic() - began > self._limit:
                raise DatabaseUnavailable(
                    f"The replica {self.name} is more than {self._limit:g} s behind."
                )
            time.sleep(0.05)
        took = time.monotonic() - began
        if position(self._lookout) > position(primary):
            raise DatabaseUnavailable(
                f"The replica {self.name} has what the primary never wrote. Make it anew."
            )
        return took

    def fail(self, error: BaseException) -> None:
        """It is not asked again before a look finds that it answers."""
        said = str(error).strip() or type(error).__name__
        self._trouble = said.splitlines()[0].rstrip(".")

    def let_go(self) -> None:
        """End what waits for it: a machine that stands still keeps its connections open, and quiet."""
        for driver in list(self._busy.values()):
            with suppress(psycopg.Error, OSError), socket(fileno=os.dup(driver.fileno())) as shared:
                driver.fileno()  # still open, so the number was no other connection's by then
                shared.shutdown(SHUT_RDWR)

    def close(self) -> None:
        close_generations(self.engine)
        self.engine.dispose()
        self._lookout.dispose()


def position(engine: Engine) -> int:
    """How many bytes of WAL a primary has written, or a standby has replayed."""
    with reading(engine) as connection:
        return int(connection.scalar(POSITION) or 0)


def lookout(engine: Engine) -> Engine:
    """The same server by a connection of its own, so that a look waits for no other query."""
    url = engine.url.render_as_string(hide_password=False)
    return open_engine(url, pool_size=1, statement_seconds=LOOK_PATIENCE)
