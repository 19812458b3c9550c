"""From a URL to a SQLAlchemy engine: pooled, with binary halfvec, with errors of one clear line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg.errors import QueryCanceled, ReadOnlySqlTransaction
from psycopg.types import TypeInfo
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from service.catalog.database.embedded import start_embedded
from service.catalog.database.pooler import greeter_of, require_session, session_of
from service.catalog.database.urls import database_url, hosts, libpq_defaults, parse_url
from service.errors import DatabaseUnavailable, TimeLimit
from service.settings import Settings

IDLE_SECONDS = 1.0  # after which a pooled connection is asked before it is used
POOL_SECONDS = 10  # to wait for a free connection of the pool

# SQLSTATE classes that say "not now" or "not here": connection, authorization, no such database,
# out of resources, shutdown. https://www.postgresql.org/docs/current/errcodes-appendix.html
UNAVAILABLE = ("08", "28", "3D", "53", "57P")


def open_database(
    settings: Settings, *, pool_size: int = 5, statement_seconds: float | None = None
) -> Engine:
    """The configured database, or the embedded server, started if need be.

    Raises `SettingsInvalid`, `HomeNotWritable` or `DatabaseUnavailable`; a server elsewhere is not
    asked before the first query.
    """
    url = database_url(settings) or start_embedded(settings.folder() / "postgres")
    return open_engine(url, pool_size=pool_size, statement_seconds=statement_seconds)


def open_engine(
    url: str,
    *,
    pool_size: int = 5,
    statement_seconds: float | None = None,
    lock_seconds: float | None = None,
) -> Engine:
    """An engine for `postgresql://`, `postgres://` or `postgresql+psycopg://`; connects lazily.

    url: where it names several hosts, the one that can be written is taken; after a failover that is
    another one. pool_size: connections kept open; as many as the threads that use the engine at once.
    statement_seconds: how long a statement may take before the server stops it; lock_seconds: how
    long it may wait for a lock; None: as it likes.

    Every query through it raises `DatabaseUnavailable` where the server cannot be reached, refuses
    the login, lacks the database, or goes away, `DatabaseUnfit` where a pooler in between shares out
    sessions, and `TimeLimit` where a statement was stopped.
    Raises `SettingsInvalid` for a URL of another kind.
    """
    parsed = parse_url(url)
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        pool_timeout=POOL_SECONDS,
        skip_autocommit_rollback=True,
        isolation_level="READ COMMITTED",  # else batches that meet may be refused, not wait
        connect_args=libpq_defaults(parsed),
    )
    # First, before anything is set that a pooler would keep for others
    event.listen(engine, "connect", _session_keeper(parsed), insert=True)
    event.listen(engine, "connect", _register_halfvec)
    event.listen(engine, "checkout", _ping_idle)
    event.listen(engine, "checkin", _note_use)
    for setting, seconds in (
        ("statement_timeout", statement_seconds),
        ("lock_timeout", lock_seconds),
    ):
        if seconds is not None:
            event.listen(engine, "connect", partial(_limit, setting, seconds))
    event.listen(engine, "handle_error", _translate)
    return engine


@contextmanager
def reading(place: Engine | Connection) -> Iterator[Connection]:
    """A connection for single statements that write nothing: each is its own transaction, which saves
    two round trips, and psycopg keeps what it has prepared, which a rollback makes it forget.

    place: an engine, or what this gave, for several reads by one connection.
    """
    if isinstance(place, Connection):
        yield place
        return
    with place.connect() as connection:
        # The driver itself is told: SQLAlchemy's way to it takes as long as the rest of the checkout
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.autocommit = True
        try:
            yield connection
        finally:
            try:
                driver.autocommit = False
            except psycopg.Error:  # it is gone, or still busy: nobody else's business
                connection.invalidate()


def is_pooled(engine: Engine) -> bool:
    """Whether a pooler stands before the server. Raises what a query does."""
    with engine.connect() as connection, driver_of(connection) as driver:
        return session_of(driver) != greeter_of(driver)


def own_session(connection: Connection) -> None:
    """To be called before a lock or a setting that outlasts a transaction: a pooler may have been set up anew
    since it was first looked at. Raises `DatabaseUnfit` where the session is not its own."""
    try:
        with driver_of(connection) as driver:
            require_session(driver, connection.engine.url)
    except BaseException:
        connection.invalidate()
        raise


@contextmanager
def driver_of(connection: Connection) -> Iterator[psycopg.Connection]:
    """psycopg's own connection, for what SQLAlchemy has no words for: COPY, pipelines.

    Errors within become `DatabaseUnavailable` and `TimeLimit` as they do in SQLAlchemy's own statements.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        yield driver
    except psycopg.Error as error:
        said = _said_of(error, connection.engine.url)
        if isinstance(said, DatabaseUnavailable) or driver.closed:
            connection.invalidate()
        if said is None:
            raise
        raise said from None


def unavailable(url: URL, error: BaseException) -> DatabaseUnavailable:
    """One line of what the driver said about the database at `url`, without its password."""
    place = " or ".join(hosts(url)) or "the local socket"
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    said = said.removeprefix("connection failed: ").rstrip(".")
    return DatabaseUnavailable(
        f"The database {url.database or url.username} at {place}"
        f"{f':{url.port}' if url.port else ''} does not answer: {said}."
    )


def is_unavailable(error: BaseException | None) -> bool:
    """Whether a psycopg error is about the server rather than about the query."""
    if isinstance(error, ReadOnlySqlTransaction):  # it was the primary, and is a standby by now
        return True
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(UNAVAILABLE)


def _said_of(error: BaseException, url: URL) -> DatabaseUnavailable | TimeLimit | None:
    """An error of psycopg's in our words; None: it is about the query."""
    if isinstance(error, QueryCanceled):
        return TimeLimit("The database took too long for a statement.")
    return unavailable(url, error) if is_unavailable(error) else None


def _translate(context: ExceptionContext) -> None:
    error = context.original_exception
    if not isinstance(error, Exception):  # Ctrl-C counts as a disconnect
        return
    url = context.engine.url if context.engine is not None else URL.create("postgresql")
    said = _said_of(error, url)
    if said is None and context.is_disconnect:
        said = unavailable(url, error)
    if isinstance(error, ReadOnlySqlTransaction):
        context.is_disconnect = True  # the next connection may lead to the server that took over
    if said is not None:
        raise said from None


def _ping_idle(
    connection: psycopg.Connection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """Ask a connection that has been idle whether it still lives; the pool replaces a dead one.

    Not at each use, as `pool_pre_ping` does: it cost a sixth of a search by id. Outside a transaction,
    whose rollback would make psycopg forget what it has prepared.
    """
    if time.monotonic() - record.info.get("used", -IDLE_SECONDS) < IDLE_SECONDS:
        return
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except psycopg.Error as error:
        raise DisconnectionError() from error


def _note_use(_connection: psycopg.Connection | None, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _session_keeper(url: URL) -> Callable[[psycopg.Connection, object], None]:
    """Lets an engine's connections in. The first is tried for all: behind a pooler that takes another session
    for a moment, and there may be no more."""
    tried = False

    def keep(connection: psycopg.Connection, _record: object) -> None:
        nonlocal tried
        if tried:
            return
        try:
            require_session(connection, url)
        except BaseException:
            connection.close()
            raise
        tried = True

    return keep


def _limit(setting: str, seconds: float, connection: psycopg.Connection, _record: object) -> None:
    """Not by a connection parameter: poolers such as PgBouncer refuse those that they do not know."""
    milliseconds = str(max(1, round(seconds * 1000)))
    connection.execute("SELECT set_config(%s, %s, false)", [setting, milliseconds])
    connection.commit()


def _register_halfvec(connection: psycopg.Connection, _record: ConnectionPoolEntry) -> None:
    """Send and receive halfvec in binary; nothing to do where the extension is not there yet."""
    info = TypeInfo.fetch(connection, "halfvec")
    if info is not None:
        register_halfvec_info(connection, info)
