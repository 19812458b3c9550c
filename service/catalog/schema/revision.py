"""Which revision of the schema a database is at, and where that is written."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, column, select, table, text

from service.errors import DatabaseUnfit, SchemaAhead

VERSION_TABLE = "alembic_version"

# In a database that somebody else's alembic keeps too, each has a table of that name in a schema of its
# own: ours is beside a `garment` as no shop's own is
_SCHEMA = text("""
    SELECT name FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, place)
    WHERE to_regclass(format('%I.alembic_version', name)) IS NOT NULL
      AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(format('%I.garment', name))
                                             AND attname = 'content_sha256')
    ORDER BY place LIMIT 1
""")

_READABLE = text("""
    SELECT has_table_privilege(to_regclass(format('%I.alembic_version', current_schema())), 'SELECT')
""")


_FIRST = text("SELECT current_schema()")

_LOST = text("SELECT quote_ident(current_user), current_setting('search_path')")

_PARTITIONED = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('garment')")


def current_revision(connection: Connection) -> str | None:
    """The schema's revision; None where there is no catalog.

    Raises `DatabaseUnfit` where another schema comes before the catalog's, unless it leads to shards.
    """
    schema = connection.scalar(_SCHEMA)
    if schema is None:
        return None
    if not is_coordinator(connection):
        _require_first(connection, schema)
    return _version_in(connection, schema)


def is_coordinator(connection: Connection) -> bool:
    """Whether the garments are on shards, and the table is of their partitions."""
    return bool(connection.scalar(_PARTITIONED))


def require_known(revision: str | None) -> None:
    """Raises `SchemaAhead` for a revision that only a newer version of Fashion Studio knows."""
    if revision is not None and revision not in revisions():
        raise SchemaAhead(
            f"The database is at revision {revision}, which this version of Fashion Studio does not "
            "know: a newer one has migrated it. Upgrade Fashion Studio."
        )


def version_schema(connection: Connection) -> str | None:
    """The schema that has our revision, or gets it.

    Raises `DatabaseUnfit` where another program keeps its own there, where another schema comes before
    it, and where there is none.
    """
    schema: str | None = connection.scalar(_SCHEMA)
    if schema is not None:
        _require_first(connection, schema)
        return schema
    schema = connection.scalar(_FIRST)
    if schema is None:
        user, path = connection.execute(_LOST).one()
        raise DatabaseUnfit(
            f"No schema of the search path ({path}) is there for the database user. CREATE SCHEMA one of "
            f"them, or GRANT USAGE, CREATE ON SCHEMA public TO {user}."
        )
    readable = connection.scalar(_READABLE)
    if readable is False or (readable and _version_in(connection, schema) is not None):
        raise DatabaseUnfit(
            f"The schema {schema} is another program's: its {VERSION_TABLE} says so. Give Fashion Studio "
            "one of its own: CREATE SCHEMA studio, and ?options=-csearch_path=studio,public at the end "
            "of FASHION_STUDIO_DATABASE_URL."
        )
    return schema


@cache  # an upgrade lays newer ones beside the version that still runs, which knows nothing of them
def revisions() -> tuple[str, ...]:
    """Every revision of the schema, the oldest first: a revision's file begins with its number."""
    files = (migrations_folder() / "versions").glob("*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def migrations_folder() -> Path:
    """Where the revisions are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    packaged = package / "migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"


def _require_first(connection: Connection, schema: str) -> None:
    """What is made, copied and dropped is that of the first schema."""
    first = connection.scalar(_FIRST)
    if first != schema:
        raise DatabaseUnfit(
            f"The catalog is in the schema {schema}, and {first} comes before it in the search path. Put "
            f"{schema} first, or leave it out for a catalog of its own."
        )


def _version_in(connection: Connection, schema: str | None) -> str | None:
    versions = table(VERSION_TABLE, schema=schema)
    found: str | None = connection.scalar(select(column("version_num")).select_from(versions))
    return found
