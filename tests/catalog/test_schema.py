"""What the migrations make: what SQLAlchemy describes, the queue, and how a garment is stored."""

import pytest
from alembic import command
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from service.catalog import build_indexes, migrate, shelves
from service.catalog.schema.migration import _config, migration_lock
from service.catalog.schema.tables import QUEUE_PREFIX, metadata
from service.errors import DatabaseUnfit

from .schema import SCHEMA, schema


def test_alembic_finds_nothing_to_change(engine):
    with migration_lock(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.check(config)


def test_alembic_leaves_similarity_indexes_alone(engine, shelve):
    shelve("Tee", 20)
    build_indexes(engine, threshold=10)
    test_alembic_finds_nothing_to_change(engine)
    assert shelves(engine)[0].state == "valid"


@pytest.mark.parametrize("part", list(SCHEMA))
def test_the_migrations_make_what_the_tables_describe(engine, empty, part):
    with empty.begin() as connection:
        connection.execute(text("CREATE EXTENSION vector"))
        metadata.create_all(connection)
    assert schema(engine, part) == schema(empty, part)


QUEUE = """
    SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND starts_with(proname::text, :prefix)
    UNION ALL
    SELECT 'column', attrelid::regclass || '.' || attname,
           format_type(atttypid, atttypmod) || attnotnull || pg_get_expr(adbin, adrelid)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0
      AND starts_with(relname::text, :prefix)
    UNION ALL
    SELECT 'index', indexname, indexdef FROM pg_indexes WHERE starts_with(tablename::text, :prefix)
    UNION ALL
    SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE NOT tgisinternal AND starts_with(tgrelid::regclass::text, :prefix)
    UNION ALL
    SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid <> 0 AND starts_with(conrelid::regclass::text, :prefix)
    UNION ALL
    SELECT 'type', typname, string_agg(enumlabel, ',' ORDER BY enumsortorder)
    FROM pg_type LEFT JOIN pg_enum ON enumtypid = pg_type.oid
    WHERE starts_with(typname::text, :prefix) GROUP BY typname
    ORDER BY 1, 2, 3
"""


def queue(engine):
    with engine.connect() as connection:
        return list(connection.execute(text(QUEUE), {"prefix": QUEUE_PREFIX}))


def test_the_queue_has_the_schema_that_the_installed_library_needs(engine, empty):
    """Fails when procrastinate is upgraded to one with migrations: write one that applies them."""
    with empty.begin() as connection:
        connection.exec_driver_sql(
            SchemaManager.get_schema(), execution_options={"no_parameters": True}
        )
    assert len(queue(engine)) > 60
    assert queue(engine) == queue(empty)


def test_a_queue_of_another_program_is_left_alone(empty):
    with empty.begin() as connection:
        connection.exec_driver_sql(
            SchemaManager.get_schema(), execution_options={"no_parameters": True}
        )
    with pytest.raises(DatabaseUnfit, match=r"procrastinate_.*of its own"):
        migrate(empty)
    assert len(queue(empty)) > 60


def test_going_down_takes_the_queue_along(engine):
    migrate(engine, "base")
    assert queue(engine) == []


def test_only_the_embedding_lies_outside_a_garments_row(engine, fill):
    """EXTERNAL is moved out first, PLAIN never, MAIN only where a row does not fit a page."""
    storage = {row[1]: row[4] for row in schema(engine, "columns") if row[0] == "garment"}
    assert [name for name, how in storage.items() if how in "xe"] == ["embedding"]
    fill(64)
    with engine.connect() as connection:
        sizes = text(
            "SELECT pg_relation_size(oid) / 64, pg_relation_size(reltoastrelid) / 64"
            " FROM pg_class WHERE relname = 'garment'"
        )
        row, outside = connection.execute(sizes).one()
    assert row < 600  # bytes a garment, components included
    assert 4104 < outside < 6000
