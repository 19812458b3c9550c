"""How alembic reaches the database: the connection it is handed, else the configured one."""

import re

from alembic import context
from alembic.util import CommandError

from service.catalog.database.engine import open_database
from service.catalog.database.server import check_server
from service.catalog.schema.migration import migration_lock
from service.catalog.schema.revision import VERSION_TABLE, version_schema
from service.catalog.schema.tables import HNSW_NAMES, QUEUE_PREFIX, metadata
from service.errors import FashionStudioError
from service.settings import load_settings


def is_ours(_thing, name, kind, _reflected, _compare_to) -> bool:
    """Not ours to compare: similarity indexes, which come and go with the labels, the job queue's
    tables, which have its own schema, and alembic's own."""
    foreign = {"index": HNSW_NAMES, "table": f"^({QUEUE_PREFIX}|{VERSION_TABLE})"}.get(kind)
    return foreign is None or not re.match(foreign, name or "")


def run(connection) -> None:
    schema = version_schema(connection)
    connection.rollback()  # each revision begins a transaction of its own
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=is_ours,
        compare_server_default=True,
        transaction_per_migration=True,
        version_table=VERSION_TABLE,
        version_table_schema=schema,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise CommandError("Migrations run on a database: alembic's --sql is not supported.")

connection = context.config.attributes.get("connection")
if connection is not None:  # service.catalog.schema.migration, which has checked and locked
    run(connection)
else:  # the plain `alembic` command
    try:
        engine = open_database(load_settings())
        for warning in check_server(engine):
            context.config.print_stdout(warning)
        with migration_lock(engine) as connection:
            run(connection)
    except FashionStudioError as error:
        raise CommandError(str(error)) from None
