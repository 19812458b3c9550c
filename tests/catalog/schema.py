"""A database's schema as Postgres describes it."""

from sqlalchemy import text

from service.catalog.schema.migration import _scripts

HEAD = _scripts().get_current_head()

SCHEMA = {
    "columns": """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attstorage,
               attidentity, pg_get_expr(adbin, adrelid)
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
          AND relname <> 'alembic_version' AND NOT starts_with(relname::text, 'procrastinate_')
        ORDER BY relname, attnum
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
          AND conrelid::regclass::text <> 'alembic_version'
          AND NOT starts_with(conrelid::regclass::text, 'procrastinate_')
        ORDER BY 1, 2
    """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
          AND NOT starts_with(tablename::text, 'procrastinate_')
        ORDER BY 1, 2
    """,
}


def schema(engine, part):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(SCHEMA[part]))]


def tables(engine):
    return {row[0] for row in schema(engine, "columns")}
