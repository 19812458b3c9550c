"""Bring a database to a revision of the schema, one process at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from service.catalog.database.patience import take_lock, unhurried_session
from service.catalog.database.rights import readable
from service.catalog.database.server import check_server
from service.catalog.schema.revision import (
    current_revision,
    migrations_folder,
    require_known,
    revisions,
)
from service.errors import (
    DatabaseUnavailable,
    DatabaseUnfit,
    DowngradeRefused,
    FashionStudioError,
    InvalidParameter,
    SchemaOutdated,
)

# alembic itself is imported where something is migrated: every command asks `require_head`
if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

LOCK = 0x46415348494F4E  # "FASHION": the advisory lock's number, the same for every version
LOCK_PATIENCE = 600.0  # seconds; another migration may build indexes over the whole catalog
LOCK_TIMEOUT = "10s"  # for a table's lock: queries queue behind a migration that waits for it

OWNER = text("""
    SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class
    WHERE oid = to_regclass('garment') AND NOT pg_has_role(relowner, 'USAGE')
""")

TAKEN = (
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateFunction,
)


def migrate(engine: Engine, to: str = "head") -> str:
    """Upgrade or downgrade to a revision; "head" is the newest, "base" is an empty database.

    Returns the revision reached ("base" where there is none). A second migrator waits for the
    first one and then finds nothing to do.

    Raises `InvalidParameter` for an unknown revision, `DatabaseUnfit`, `SchemaOutdated` where a
    newer version of Fashion Studio has migrated the database, `DowngradeRefused`, and
    `DatabaseUnavailable`, also where a table stays locked.
    """
    from alembic import command

    scripts = _scripts()
    target = _resolve(to)
    check_server(engine)
    with migration_lock(engine) as connection:
        current = _current(connection)
        require_known(current)
        config = _config()
        config.attributes["connection"] = connection
        try:
            if target is None or target in _ancestors(scripts, current):
                _check_downgrade(scripts, connection, current, target)
                command.downgrade(config, target or "base")
            else:
                command.upgrade(config, target)
        except DBAPIError as error:
            said = _said_of(error, connection, lambda: _so_far(connection, current))
            if said is None:
                raise
            raise said from None
        reached = _current(connection)
    engine.dispose()  # connections opened before the extension was there do not know halfvec
    return reached or "base"


def _said_of(
    error: DBAPIError, connection: Connection, so_far: Callable[[], str]
) -> FashionStudioError | None:
    first = str(error.orig).splitlines()[0]
    if isinstance(error.orig, psycopg.errors.LockNotAvailable):
        return DatabaseUnavailable(
            f"A table stayed locked for {LOCK_TIMEOUT}. {so_far()}; try again when no import is running."
        )
    if isinstance(error.orig, TAKEN):
        return DatabaseUnfit(
            f"Another program's tables are in the way: {first}. {so_far()}; give Fashion Studio a "
            "database or a schema of its own."
        )
    if isinstance(error.orig, psycopg.errors.DependentObjectsStillExist):
        return DowngradeRefused(
            f"Something of yours is made of what is to go: {first}. {so_far()}; drop yours first."
        )
    if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
        return DatabaseUnfit(
            f"The database user may not migrate: {first}. {so_far()}; {_remedy(connection)}."
        )
    return None


def _remedy(connection: Connection) -> str:
    owner = connection.scalar(OWNER)
    if owner is not None:
        return f"run it as the owner of the tables, {owner}"
    return "let an administrator run CREATE EXTENSION vector, and grant CREATE on the schema"


def _so_far(connection: Connection, before: str | None) -> str:
    """Each revision is committed by itself."""
    connection.rollback()
    reached = _current(connection)
    if reached == before:
        return "Nothing was migrated"
    return f"The database is at revision {reached or 'base'} now"


def require_head(engine: Engine) -> None:
    """Raises `SchemaOutdated` unless the database is at the newest revision, also as `require_known`, and
    `DatabaseUnfit` where the user may not look."""
    with engine.connect() as connection:
        current = _current(connection)
    if current is None:
        raise SchemaOutdated("The database is empty. Run `fashion-studio migrate`.")
    require_known(current)
    head = revisions()[-1]
    if current != head:
        raise SchemaOutdated(
            f"The database is at revision {current}; this version of Fashion Studio needs {head}. "
            "Run `fashion-studio migrate`."
        )


@contextmanager
def migration_lock(engine: Engine) -> Iterator[Connection]:
    """A connection that holds the lock; raises `DatabaseUnavailable` after LOCK_PATIENCE."""
    with unhurried_session(engine, "READ COMMITTED") as connection:
        deadline = time.monotonic() + LOCK_PATIENCE

        def waiting() -> None:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("Another process is migrating the database. Try later.")

        take_lock(connection, LOCK, waiting)
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
        yield connection


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _resolve(to: str) -> str | None:
    """The full name of a revision; None for base."""
    known = revisions()
    if to == "base":
        return None
    if to == "head":
        return known[-1]
    if to not in known:
        raise InvalidParameter(
            f"There is no revision {to!r}. Choose head, base, or one of {', '.join(known)}."
        )
    return to


def _current(connection: Connection) -> str | None:
    with readable():
        revision = current_revision(connection)
    connection.rollback()
    return revision


def _ancestors(scripts: ScriptDirectory, revision: str | None) -> list[str]:
    if revision is None:
        return []
    return [script.revision for script in scripts.iterate_revisions(revision, "base")]


def _check_downgrade(
    scripts: ScriptDirectory, connection: Connection, current: str | None, target: str | None
) -> None:
    """Let every revision that would be undone refuse before the first one is."""
    for script in scripts.iterate_revisions(current or "base", target or "base"):
        check = getattr(script.module, "check_downgrade", None)
        if check is not None:
            check(connection)
    connection.rollback()
