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
from sqlalchemy import Connection

from service.catalog.database.engine import driver_of
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


def require_among(connection: Connection, names: str) -> tuple[str, ...]:
    """The relations of those names, which are separated by commas; they need no quotes.

    Raises `AmongUnknown` for the first that is not there, naming those that are.
    """
    with driver_of(connection) as driver:
        found = [relation for (relation,) in driver.execute(KNOWN)]
    wanted = [PREFIX + name for name in names.split(",")]
    for relation in wanted:
        if relation not in found or not NAME.fullmatch(relation):
            known = ", ".join(one.removeprefix(PREFIX) for one in found)
            choices = f"Choose among {known}." if known else f"Make one, such as: {EXAMPLE}"
            raise AmongUnknown(
                f"No view or table {relation:.60} has a column image_path. {choices}"
            )
    return tuple(dict.fromkeys(wanted))


@contextmanager
def readable(relations: Sequence[str]) -> Iterator[None]:
    """Errors of the query within, as `AmongUnknown` where `relations` of the shop's own have part in it."""
    try:
        yield
    except (psycopg.DataError, psycopg.ProgrammingError) as error:
        if not relations:
            raise
        said = str(error).strip().splitlines()[0]
        raise AmongUnknown(f"{', '.join(relations)} cannot be searched among: {said}.") from None
