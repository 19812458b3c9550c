"""A dump of the catalog's rows back into a database: in one transaction, or not at all."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from typing import IO, Protocol

from psycopg import sql
from sqlalchemy import Engine, text

from service.catalog.backup.snapshot import SERVER, count, tables
from service.catalog.database import pgtools
from service.catalog.database.pgtools import Running, Tools, running
from service.catalog.database.server import check_server
from service.catalog.models.generations import kept_generations
from service.catalog.schema.migration import migrate
from service.catalog.schema.revision import current_revision, require_known
from service.catalog.schema.tables import HNSW_NAMES, QUEUE_PREFIX
from service.errors import CatalogNotEmpty, DatabaseUnavailable, RestoreFailed

WHERE = text("SELECT pg_postmaster_start_time(), current_database(), current_schema()")

BY_THEMSELVES = ("model", "category")
"""Tables that `attach` fills before there is a garment."""

# Which are kept where a table is emptied: every row would be led through their graphs. They are built anew
# at the end
DROP_INDEXES = """
DO $drop$ DECLARE index regclass; BEGIN
    FOR index IN SELECT indexrelid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                 WHERE indrelid = to_regclass({garments}) AND relname ~ {names}
    LOOP
        EXECUTE 'DROP INDEX ' || index;
    END LOOP;
END $drop$;
"""
# Names come with their schema, because a dump begins by emptying the search path.
# Imports and switches that waited or ran: their jobs stay behind. Before there was a queue, the
# migration does it.
INTERRUPT = """
DO $close$ BEGIN
    IF to_regclass({queue}) IS NOT NULL THEN
        UPDATE {runs} SET state = 'interrupted', finished_at = now() WHERE finished_at IS NULL;
    END IF;
    IF to_regclass({switches}) IS NOT NULL THEN
        UPDATE {switches_table} SET state = 'interrupted', finished_at = now()
        WHERE finished_at IS NULL;
    END IF;
END $close$;
"""
# What a model that served before said of the garments stays behind: one made anew is compared again
FORGET_SERVED = """
DO $forget$ BEGIN
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = to_regclass({name}) AND attname = 'served_until') THEN
        UPDATE {table} SET served_until = NULL;
    END IF;
END $forget$;
"""
COUNTED = """
DO $check$ BEGIN
    IF (SELECT count(*) FROM {table}) <> {rows} THEN
        RAISE EXCEPTION '% has other than {rows} rows', {name};
    END IF;
END $check$;
"""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


def require_room(engine: Engine, revision: str, schema: str, *, replace: bool) -> None:
    """Raises what keeps a backup of that revision and schema from being restored, before anything is
    done: `CatalogNotEmpty`, `SchemaOutdated`, `DatabaseUnfit`, `RestoreFailed`."""
    check_server(engine)
    require_known(revision)
    with engine.connect() as connection:
        current = current_revision(connection)
        require_known(current)
        here = connection.execute(SERVER).one().schema
        if here != schema:
            raise RestoreFailed(
                f"The backup is of tables in the schema {schema}, and those of this database belong "
                f"into {here}. Let the URL's user have that schema first in its search_path."
            )
        found = {name: count(connection, name) for name in tables(connection)}
        generations = kept_generations(connection)
    if generations:
        raise CatalogNotEmpty(
            f"What other models said of this catalog's garments is kept in {', '.join(generations)}. "
            "Free it first with `fashion-studio models drop`."
        )
    garments = found.get("garment", 0)
    kept = [f"{n} rows of {name}" for name, n in found.items() if n and name not in BY_THEMSELVES]
    if kept and not replace:
        what = f"{garments} garments" if garments else kept[0]
        raise CatalogNotEmpty(
            f"The catalog is not empty ({what}). Restore into an empty database or another "
            "FASHION_STUDIO_HOME; `restore --replace` forgets what is there."
        )
    if kept and current != revision:
        raise CatalogNotEmpty(
            f"The catalog is at revision {current} and the backup is of {revision}: it can replace "
            "none but an empty one. Restore into another database or FASHION_STUDIO_HOME, or give up "
            "what is here first with `fashion-studio migrate --to base`."
        )


def restore(
    engine: Engine,
    dump: Readable,
    *,
    revision: str,
    schema: str,
    rows: dict[str, int],
    dumped_by: int,
    replace: bool,
) -> None:
    """Load a dump in one transaction, at its own revision of the schema; call `migrate` then.

    rows: what each table must have in the end. dumped_by: pg_dump's major version. replace: forget
    what is there. Call `require_room` first.

    Raises `RestoreFailed`, `PostgresToolsMissing`, and as `migrate`; the catalog is then as before.
    """
    at_hand = pgtools.tools(dumped_by, f"The backup was made by pg_dump {dumped_by}")
    with engine.connect() as connection:
        before = current_revision(connection)
    try:
        migrate(engine, revision)
        _load(engine, at_hand, dump, _prologue(schema, rows, replace), _epilogue(schema, rows))
    except BaseException:
        with suppress(DatabaseUnavailable):
            migrate(engine, before or "base")
        raise


def _load(engine: Engine, tools: Tools, dump: Readable, before: str, after: str) -> None:
    """Through pg_restore into psql. Only what ends with COMMIT is kept, however it is stopped."""
    quiet = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    with (
        running(tools, "pg_restore", ["--data-only", "--file=-"]) as reader,
        running(tools, "psql", quiet, engine) as writer,
    ):
        feeding = threading.Thread(target=_feed, args=(dump, reader), daemon=True)
        feeding.start()
        script, statements = reader.process.stdout, writer.process.stdin
        assert script is not None
        assert statements is not None
        with suppress(BrokenPipeError):  # psql ended at an error, which it tells
            statements.write(f"BEGIN;\n{before}".encode())
            _pass_on(script, statements)
            if reader.process.wait() == 0:
                statements.write(f"{after}COMMIT;\n".encode())
        with suppress(BrokenPipeError):
            statements.close()
        script.close()
        failed = writer.process.wait() != 0
        feeding.join()
        # pg_restore fails as well where psql gave up: then psql knows why
        for program in [writer] * failed + [reader] * (reader.process.wait() != 0):
            raise RestoreFailed(
                f"The backup could not be restored: {program.complaint()}. The catalog is as before."
            )


def _feed(dump: Readable, reader: Running) -> None:
    assert reader.process.stdin is not None
    with suppress(BrokenPipeError), reader.process.stdin as archive:
        shutil.copyfileobj(dump, archive, 1 << 20)


def _pass_on(script: IO[bytes], statements: IO[bytes]) -> None:
    """pg_restore's script, but for what servers before Postgres 17 do not know."""
    for line in script:
        if not line.startswith(b"SET transaction_timeout"):
            statements.write(line)
        if line.startswith(b"COPY "):  # what follows is data
            break
    shutil.copyfileobj(script, statements, 1 << 20)


def _prologue(schema: str, rows: dict[str, int], replace: bool) -> str:
    """Make room. Without `replace` the foreign keys of what has come meanwhile stop it."""
    names = [sql.Identifier(schema, name) for name in rows]
    emptied = (
        [sql.SQL("TRUNCATE {};").format(sql.SQL(", ").join(names))]
        if replace
        else [sql.SQL("DELETE FROM {};").format(sql.Identifier(schema, t)) for t in BY_THEMSELVES]
    )
    exact = sql.SQL(DROP_INDEXES).format(
        garments=_named(sql.Identifier(schema, "garment")), names=sql.Literal(HNSW_NAMES)
    )
    # Rows come back as they were; a trigger would change them once more
    resting = [sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER;").format(table) for table in names]
    return _script([*emptied, exact, *resting])


def _epilogue(schema: str, rows: dict[str, int]) -> str:
    queue, runs, switches, models = (
        sql.Identifier(schema, name)
        for name in (f"{QUEUE_PREFIX}jobs", "import_run", "model_switch", "model")
    )
    statements: list[sql.Composable] = [
        sql.SQL(INTERRUPT).format(
            queue=_named(queue), runs=runs, switches=_named(switches), switches_table=switches
        ),
        sql.SQL(FORGET_SERVED).format(name=_named(models), table=models),
    ]
    for name, wanted in rows.items():
        table = sql.Identifier(schema, name)
        statements += [
            sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER;").format(table),
            sql.SQL(COUNTED).format(table=table, rows=sql.Literal(wanted), name=sql.Literal(name)),
            sql.SQL("ANALYZE {};").format(table),
        ]
    return _script(statements)


def _named(table: sql.Identifier) -> sql.Literal:
    """As `to_regclass` takes it."""
    return sql.Literal(table.as_string(None))


def _script(statements: list[sql.Composable]) -> str:
    return "".join(f"{statement.as_string(None)}\n" for statement in statements)


def is_same(one: Engine, other: Engine) -> bool:
    """Whether both lead to the same schema of the same database, by whatever URL."""
    with one.connect() as here, other.connect() as there:
        return here.execute(WHERE).one() == there.execute(WHERE).one()
