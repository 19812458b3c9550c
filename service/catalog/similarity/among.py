"""Searches among the garments that a relation of the shop's own names: in stock, in a price range, of a
branch.

It is a view or a table `among_NAME` beside the catalog with a column `image_path`. A path, because that
is what the shop knows of a garment; and a name, because no SQL comes from outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, Engine

from service.catalog.database.engine import driver_of, reading
from service.errors import AmongUnknown

PREFIX = "among_"
NAME = re.compile(r"among_[a-z0-9_]{1,50}")

# By LIKE with a literal, which the catalog's index of names can follow: a shop may have many relations
KNOWN = r"""
    SELECT relname
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relname LIKE 'among\_%' AND pg_table_is_visible(pg_class.oid)
          AND relkind IN ('r', 'p', 'v', 'm', 'f') AND attname = 'image_path' AND NOT attisdropped
    ORDER BY relname
"""

EXAMPLE = "CREATE VIEW among_in_stock AS SELECT photo AS image_path FROM product WHERE stock > 0"


def among_names(place: Engine | Connection) -> list[str]:
    """What `require_among` takes: the names of the shop's relations, without the prefix, in order."""
    with reading(place) as connection, driver_of(connection) as driver:
        found = [relation for (relation,) in driver.execute(KNOWN)]
    return [relation.removeprefix(PREFIX) for relation in found if NAME.fullmatch(relation)]


def require_among(place: Engine | Connection, names: str) -> tuple[str, ...]:
    """The relations of those names, which are separated by commas; they need no quotes.

    Raises `AmongUnknown` for the first that is not there, naming those that are.
    """
    known, wanted = among_names(place), names.split(",")
    for name in wanted:
        if name not in known:
            choices = (
                f"Choose among {', '.join(known)}." if known else f"Make one, such as: {EXAMPLE}"
            )
            raise AmongUnknown(
                f"No view or table {PREFIX + name:.60} has a column image_path. {choices}"
            )
    return tuple(PREFIX + name for name in dict.fromkeys(wanted))


@contextmanager
def readable(relations: Sequence[str]) -> Iterator[None]:
    """Errors of the query within, as `AmongUnknown` where `relations` of the shop's own have part in it."""
    try:
        yield
    # The last is of materialized views that were never filled, and of foreign tables: without the server
    # itself, see `driver_of`
    except (psycopg.DataError, psycopg.ProgrammingError, psycopg.OperationalError) as error:
        if not relations:
            raise
        said = str(error).strip().splitlines()[0]
        raise AmongUnknown(f"{', '.join(relations)} cannot be searched among: {said}.") from None
