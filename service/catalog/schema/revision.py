"""Which revision of the schema a database is at, and where that is written."""

from __future__ import annotations

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


def current_revision(connection: Connection) -> str | None:
    """The schema's revision; None where there is no catalog."""
    schema = connection.scalar(_SCHEMA)
    return None if schema is None else _version_in(connection, schema)


def require_known(revision: str | None) -> None:
    """Raises `SchemaAhead` for a revision that only a newer version of Fashion Studio knows."""
    if revision is not None and revision not in revisions():
        raise SchemaAhead(
            f"The database is at revision {revision}, which this version of Fashion Studio does not "
            "know: a newer one has migrated it. Upgrade Fashion Studio."
        )


def version_schema(connection: Connection) -> str | None:
    """The schema that has our revision, or gets it.

    Raises `DatabaseUnfit` where another program keeps its own there.
    """
    schema: str | None = connection.scalar(_SCHEMA)
    if schema is not None:
        return schema
    schema = connection.scalar(text("SELECT current_schema()"))
    readable = connection.scalar(_READABLE)
    if readable is False or (readable and _version_in(connection, schema) is not None):
        raise DatabaseUnfit(
            f"The schema {schema} is another program's: its {VERSION_TABLE} says so. Give Fashion Studio "
            "one of its own: CREATE SCHEMA studio, and ?options=-csearch_path=studio,public at the end "
            "of FASHION_STUDIO_DATABASE_URL."
        )
    return schema


def revisions() -> list[str]:
    """Every revision of the schema, the oldest first: a revision's file begins with its number."""
    files = (migrations_folder() / "versions").glob("*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def migrations_folder() -> Path:
    """Where the revisions are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    packaged = package / "migrations"
    return packaged if packaged.is_dir() else package.parent / "migrations"


def _version_in(connection: Connection, schema: str | None) -> str | None:
    versions = table(VERSION_TABLE, schema=schema)
    found: str | None = connection.scalar(select(column("version_num")).select_from(versions))
    return found
