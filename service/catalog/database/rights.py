"""What the database user may not do, in this project's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from service.errors import DatabaseUnfit


@contextmanager
def permitted(work: str, remedy: str) -> Iterator[None]:
    """Raises `DatabaseUnfit` where Postgres denies the user what `work` needs.

    work: as in "may not swap models". remedy: whole sentences that say what to do.
    """
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            denied = str(error.orig).splitlines()[0]
            raise DatabaseUnfit(f"The database user may not {work}: {denied}. {remedy}") from None
        raise


def readable() -> AbstractContextManager[None]:
    """Raises `DatabaseUnfit` where the user may not look into the catalog's tables."""
    return permitted(
        "read the catalog",
        "Connect as the user that ran `fashion-studio migrate`, or let that one grant its tables.",
    )
