"""The catalog's rows, as they are at one moment, out into a dump of pg_dump's.

Only rows: the schema is the migrations' to make, which is why a backup of an earlier revision comes back
to a later version. The job queue is left out, so that a catalog that comes back does nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from psycopg import sql
from sqlalchemy import Connection, Engine, text

from service.catalog.database import pgtools
from service.catalog.database.patience import unhurried_session
from service.catalog.database.pgtools import Tools, running
from service.catalog.schema.revision import current_revision, is_coordinator, require_known
from service.catalog.schema.tables import metadata
from service.errors import (
    BackupFailed,
    SchemaOutdated,
)

LOCK = text("LOCK TABLE garment IN ACCESS SHARE MODE")

TABLES = text("""
    SELECT relname FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind IN ('r', 'p')
      AND relname = ANY (:names)
    ORDER BY relname
""")

SERVER = text("""
    SELECT current_setting('server_version_num')::int / 10000 AS postgres,
           current_schema()::text AS schema,
           (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS pgvector
""")

MODELS = text("""
    SELECT name || '@' || version AS title, encode(content_sha256, 'hex') AS content_sha256, serving
    FROM model ORDER BY serving DESC, id
""")

PICTURES = text("""
    SELECT image_path, encode(content_sha256, 'hex') AS sha256 FROM garment ORDER BY id
""")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalog at one moment. rows: of each table. models: title, content_sha256, serving."""

    revision: str
    postgres: int
    pgvector: str
    schema: str
    rows: dict[str, int]
    models: list[dict[str, Any]]
    tools: Tools
    _connection: Connection
    _name: str

    def pictures(self) -> Iterator[tuple[str, str | None]]:
        """(image_path, hex digest of the picture that was embedded) of every garment, by id."""
        for row in self._connection.execute(PICTURES, execution_options={"yield_per": 1000}):
            yield row.image_path, row.sha256

    @contextmanager
    def dump(self, engine: Engine) -> Iterator[IO[bytes]]:
        """pg_dump's archive as a stream. Raises `BackupFailed` at its end, if it is not whole."""
        names = [sql.Identifier(self.schema, table).as_string(None) for table in self.rows]
        which = [f"--table={name}" for name in names]
        how = ["--format=custom", "--data-only", "--compress=1", f"--snapshot={self._name}"]
        with running(self.tools, "pg_dump", [*how, *which], engine) as program:
            assert program.process.stdout is not None
            yield program.process.stdout
            if program.process.wait() != 0:
                raise BackupFailed(f"pg_dump failed: {program.complaint()}. Nothing was written.")


@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """The catalog as it is now, whatever is written meanwhile; of any revision that is known.

    Raises `PostgresToolsMissing`, `SchemaOutdated` where there is no catalog, or one of a later
    version, `DatabaseUnfit`, and `BackupFailed` where the garments are on shards.
    """
    with unhurried_session(engine, "REPEATABLE READ") as connection:
        require_catalog(connection)
        if is_coordinator(connection):
            raise BackupFailed(
                "The garments are on shards, and none of them is here. Back up each shard."
            )
        connection.rollback()
        with connection.begin():
            # Waits for a swap of models that is under way. What is read first makes the moment, and a lock
            # reads nothing: a moment before the swap would have the old model and the new one's garments
            connection.execute(LOCK)
            revision = require_catalog(connection)
            server = connection.execute(SERVER).one()
            yield Snapshot(
                revision,
                server.postgres,
                server.pgvector,
                server.schema,
                {name: count(connection, name) for name in tables(connection)},
                [dict(row._mapping) for row in connection.execute(MODELS)],
                pgtools.tools(server.postgres, f"The server is Postgres {server.postgres}"),
                connection,
                connection.scalar(text("SELECT pg_export_snapshot()")),
            )


def require_catalog(connection: Connection) -> str:
    """The catalog's revision. Raises as `snapshot`."""
    revision = current_revision(connection)
    if revision is None:
        raise SchemaOutdated("The database has no catalog: there is nothing to back up.")
    require_known(revision)
    return revision


def tables(connection: Connection) -> list[str]:
    """The catalog's tables that this database has: an earlier revision lacks some."""
    return list(connection.scalars(TABLES, {"names": list(metadata.tables)}))


def count(connection: Connection, table: str) -> int:
    counted = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)).as_string(None)
    return connection.scalar(text(counted)) or 0
