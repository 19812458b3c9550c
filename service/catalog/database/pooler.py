"""Whether a connection has a session of the server to itself, or a pooler in between shares sessions out.

Locks that outlast a transaction, prepared statements, settings and LISTEN belong to a session. A pooler
that lends one for a transaction at a time loses them without a word: two builders hold the same lock, and
the time limit of one program stays with the next.
"""

from __future__ import annotations

import secrets

import psycopg
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy import URL

from service.catalog.database.urls import hosts, libpq_defaults, libpq_parameters
from service.errors import DatabaseUnavailable, DatabaseUnfit

HEAR_SECONDS = 5.0
CHANNEL = "fashion_studio_session"
"""One for all: sessions that are shared may go on listening to it after a refusal."""


def require_session(driver: psycopg.Connection, url: URL) -> None:
    """Raises `DatabaseUnfit` where a pooler may give each transaction another session.

    One round trip where the server itself answers; a pooler has to have a second session for a moment.
    driver: outside a transaction; not to be used any more after an error. url: of its database.
    Raises `DatabaseUnavailable` before a standby, and psycopg's errors.
    """
    manner, driver.autocommit = driver.autocommit, True
    session = session_of(driver)
    if session != greeter_of(driver) and not _hears(driver, session, url):
        raise DatabaseUnfit(
            f"The pooler at {_place(url)} gives each transaction another session, as PgBouncer's "
            "pool_mode = transaction does: locks would hold nobody off. Let FASHION_STUDIO_DATABASE_URL "
            "name Postgres itself, or a database of the pooler's with pool_mode = session."
        )
    driver.autocommit = manner


def greeter_of(driver: psycopg.Connection) -> int:
    """The process that was named when the connection began. A pooler makes one up, and that chance hits
    the right one of four billion is left aside."""
    return driver.info.backend_pid


def session_of(driver: psycopg.Connection) -> int:
    """The server's process that answers now."""
    row = driver.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def _hears(driver: psycopg.Connection, session: int, url: URL) -> bool:
    """Whether it is told what another connection says while it asks for nothing. That takes a session of
    its own: a pooler that has taken it back has nobody to hand the message on to, whatever the load.
    """
    word = secrets.token_hex(8)
    try:
        driver.execute(f"LISTEN {CHANNEL}")
    except ReadOnlySqlTransaction:
        raise DatabaseUnavailable(
            f"The pooler at {_place(url)} leads to a standby, where it cannot be found out whether "
            "sessions are kept apart. Name the standby itself."
        ) from None
    with psycopg.connect(**libpq_parameters(url), **libpq_defaults(url), autocommit=True) as other:
        lent = session_of(other) == session
        other.execute("SELECT pg_notify(%s, %s)", [CHANNEL, word])
    heard = not lent and any(
        notify.payload == word for notify in driver.notifies(timeout=HEAR_SECONDS)
    )
    driver.execute(f"UNLISTEN {CHANNEL}")
    return heard


def _place(url: URL) -> str:
    place = " or ".join(hosts(url)) or "the local socket"
    return f"{place}:{url.port}" if url.port else place
