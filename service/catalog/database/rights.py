"""What the database user may not do, in this project's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from service.errors import DatabaseUnfit

GRANTED = "Connect as the user that ran `fashion-studio migrate`, or as a member of it."


@contextmanager
def permitted(work: str, remedy: str) -> Iterator[None]:
    """Raises `DatabaseUnfit` where Postgres denies the user what `work` needs.

    work: as in "may not swap models". remedy: whole sentences that say what to do.
    """
    try:
        yield
    except (DBAPIError, psycopg.errors.InsufficientPrivilege) as error:  # the latter of a COPY
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, psycopg.errors.InsufficientPrivilege):
            denied = str(cause).splitlines()[0]
            raise DatabaseUnfit(f"The database user may not {work}: {denied}. {remedy}") from None
        raise


def readable() -> AbstractContextManager[None]:
    """Raises `DatabaseUnfit` where the user may not look into the catalog's tables."""
    return permitted("read the catalog", GRANTED)


def usable() -> AbstractContextManager[None]:
    """Raises `DatabaseUnfit` where the user may not do what a command does with the catalog."""
    return permitted("do this", GRANTED)
