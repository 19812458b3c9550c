"""The garments as another model sees them, in a table of their own.

The table `garment` holds what the serving model said: labels, confidences, embeddings. What another
one says lies in a table of the same shape and name in a schema of its own, `public_model_7`, with the
same ids. Whatever asks for `garment` with that schema in front of its search path works on it: the
loader, the projection, the builder of indexes, the similarity query.

To switch is to exchange two tables between their schemas (`swap`). The one that served stays, and
answers those processes that have not moved yet, until it is dropped.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

from service.catalog.database.engine import reading
from service.catalog.database.patience import until_free
from service.catalog.database.rights import permitted
from service.catalog.garments.categories import add_categories
from service.catalog.models.behaviour import no_triggers, same_storage
from service.catalog.models.beside import beside, generation_schema, quoted
from service.catalog.models.privileges import owner_of_garments, require_open_rows, require_own
from service.catalog.schema.tables import HNSW_NAMES

KEPT = text("""
    SELECT nspname FROM pg_namespace
    WHERE starts_with(nspname::text, current_schema() || '_model_') AND nspname ~ '_model_[0-9]+$'
    ORDER BY nspname
""")

QUOTED = text("SELECT quote_ident(name) FROM unnest(CAST(:schemas AS text[])) AS name")

EXISTS = text("SELECT to_regclass(quote_ident(:schema) || '.garment') IS NOT NULL")

BYTES = text("""
    SELECT coalesce(pg_total_relation_size(to_regclass(quote_ident(:schema) || '.garment')), 0)
""")

# What makes the copy like `garment`, beyond what LIKE copies: in this order, each one statement.
# Indexes of similarity are built later, and a swap sees to privileges and to which triggers fire.
# Definitions name the table with its schema.
LIKENESS = text("""
    WITH old AS (
        SELECT oid, quote_ident(current_schema()) || '.garment' AS name
        FROM pg_class WHERE oid = to_regclass('garment')
    ), new AS (SELECT quote_ident(:schema) || '.garment' AS name)
    SELECT statement FROM (
        SELECT 1 AS place, conname::text AS thing,
               format('ALTER TABLE %s ADD CONSTRAINT %I %s', new.name, conname,
                      pg_get_constraintdef(con.oid)) AS statement
        FROM pg_constraint AS con, old, new
        WHERE conrelid = old.oid AND contype IN ('p', 'u', 'f')
        UNION ALL
        SELECT 2, relname,
               replace(pg_get_indexdef(indexrelid), ' ON ' || old.name || ' ', ' ON ' || new.name || ' ')
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid, old, new
        WHERE indrelid = old.oid AND relname !~ :names
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = old.oid)
        UNION ALL
        SELECT 3, tgname,
               replace(pg_get_triggerdef(trg.oid), ' ON ' || old.name || ' ', ' ON ' || new.name || ' ')
        FROM pg_trigger AS trg, old, new WHERE tgrelid = old.oid AND NOT tgisinternal
    ) AS statements
    ORDER BY place, thing
""")

# A migration since may have changed `garment`: what was kept before is then of no use
SAME_SHAPE = text("""
    SELECT count(DISTINCT shape) = 1 FROM (
        SELECT relation, array_agg(part ORDER BY part) AS shape FROM (
            SELECT attrelid AS relation,
                   concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull) AS part
            FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
            UNION ALL
            SELECT conrelid, conname || pg_get_constraintdef(oid) FROM pg_constraint
            UNION ALL
            SELECT indrelid, relname FROM pg_index JOIN pg_class ON oid = indexrelid
            WHERE relname !~ :names
            UNION ALL
            SELECT tgrelid, tgname FROM pg_trigger WHERE NOT tgisinternal
        ) AS parts
        WHERE relation IN (to_regclass('garment'), to_regclass(quote_ident(:schema) || '.garment'))
        GROUP BY relation
    ) AS shapes
""")

LABELS = text("SELECT labels FROM model WHERE id = :model_id")

# Categories that nothing has, and no model that is left could give
DROP_CATEGORIES = """
    DELETE FROM category
    WHERE NOT EXISTS (SELECT FROM garment WHERE garment.label = category.name)
      AND NOT EXISTS (SELECT FROM garment WHERE garment.predicted_label = category.name)
      AND NOT EXISTS (SELECT FROM upload WHERE upload.label = category.name)
      AND NOT EXISTS (
          SELECT FROM model
          WHERE category.name = ANY (labels)
            AND (serving OR to_regclass(
                quote_ident(current_schema() || '_model_' || id) || '.garment') IS NOT NULL)
      )
"""
# Nor do the garments as a model that is kept saw them
NOR_KEPT = """
      AND NOT EXISTS (SELECT FROM {table} AS kept WHERE kept.label = category.name)
      AND NOT EXISTS (SELECT FROM {table} AS kept WHERE kept.predicted_label = category.name)
"""
# What is made of its garments after that has served nobody, and is compared again before it does
FORGET_SERVED_BY = text("UPDATE model SET served_until = NULL WHERE id = :model_id")

FORGET_SERVED = text("UPDATE model SET served_until = NULL")


FORGET_PROJECTION = text("DELETE FROM projection WHERE model_id = :model_id")
FORGET_UNREAD = text("DELETE FROM model_unread WHERE model_id = :model_id")


def has_generation(place: Engine | Connection, model_id: int) -> bool:
    """Whether the garments are there as this model sees them, the serving one's aside."""
    with reading(place) as connection:
        schema = generation_schema(connection, model_id)
        return bool(connection.scalar(EXISTS, {"schema": schema}))


def kept_generations(connection: Connection) -> list[str]:
    """The schemas that hold what other models say."""
    return list(connection.scalars(KEPT))


def make_generation(engine: Engine, model_id: int) -> Engine:
    """An empty table for what a model says, or the one that is there; returns its engine.

    Call it within `only_switcher`. Raises `DatabaseUnfit` where the user may not make it or swap it, or
    not every garment is everyone's to see.
    """
    with engine.begin() as connection:
        require_open_rows(connection)
        require_own(connection)
        values = {"schema": generation_schema(connection, model_id), "names": HNSW_NAMES}
        if connection.scalar(EXISTS, values) and not has_same_shape(connection, model_id):
            _drop(connection, values["schema"])
        if not connection.scalar(EXISTS, values):
            add_categories(
                connection, connection.execute(LABELS, {"model_id": model_id}).scalar_one()
            )
            _make(connection, values["schema"])
        # What is written beside is for a model that may never serve, and its ledger is `updated_at`
        run(connection, no_triggers(f"{quoted(connection, values['schema'])}.garment"))
    return beside(engine, model_id)


def has_same_shape(connection: Connection, model_id: int) -> bool:
    """Whether the table for what a model says still has the columns, indexes and triggers of `garment`."""
    values = {"schema": generation_schema(connection, model_id), "names": HNSW_NAMES}
    return bool(connection.scalar(SAME_SHAPE, values))


def drop_generation(engine: Engine, model_id: int) -> None:
    """Remove what a model said of the garments; call it within `only_switcher`.

    Raises `DatabaseUnavailable` where the tables that it refers to stay busy.
    """

    def attempt() -> bool:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '300ms'"))
            _drop(connection, generation_schema(connection, model_id))
            connection.execute(FORGET_PROJECTION, {"model_id": model_id})
            connection.execute(FORGET_UNREAD, {"model_id": model_id})
            connection.execute(FORGET_SERVED_BY, {"model_id": model_id})
            left = connection.scalars(QUOTED, {"schemas": kept_generations(connection)})
            nor = "".join(NOR_KEPT.format(table=f"{schema}.garment") for schema in left)
            run(connection, DROP_CATEGORIES + nor)
        return True

    until_free(attempt)


def drop_generations(connection: Connection) -> None:
    """Remove what other models said of garments that are all gone: there is no way back to them."""
    kept = kept_generations(connection)
    for schema in kept:
        _drop(connection, schema)
    if kept:
        connection.execute(FORGET_SERVED)


def generation_bytes(engine: Engine, model_id: int) -> int:
    """What a model's garments take on disk, indexes and all; 0 where there are none."""
    with reading(engine) as connection:
        schema = generation_schema(connection, model_id)
        return int(connection.scalar(BYTES, {"schema": schema}))


def _make(connection: Connection, schema: str) -> None:
    home = quoted(connection, schema)
    with permitted(
        "keep a second model",
        "Let an administrator GRANT CREATE ON DATABASE, and let the table's owner do it.",
    ):
        owner = owner_of_garments(connection)
        run(connection, f"CREATE SCHEMA IF NOT EXISTS {home} AUTHORIZATION {owner}")
        # Statistics would be objects of this schema, which stay there when the table leaves it
        like = "LIKE garment INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS"
        run(connection, f"CREATE TABLE {home}.garment ({like})")
        found = connection.scalars(LIKENESS, {"schema": schema, "names": HNSW_NAMES})
        storage = same_storage(connection, "garment", f"{home}.garment")
        for statement in (*found.all(), *storage):
            run(connection, statement)
        # Whose views are asked as their owner, who has to be this table's owner as well
        run(connection, f"ALTER TABLE {home}.garment OWNER TO {owner}")


def _drop(connection: Connection, schema: str) -> None:
    home = quoted(connection, schema)
    run(connection, f"DROP TABLE IF EXISTS {home}.garment")
    run(connection, f"DROP SCHEMA IF EXISTS {home}")


def run(connection: Connection, statement: str) -> None:
    """Run a statement put together from the database's own names: colons and % in it are its own."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
