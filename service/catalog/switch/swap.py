"""Another model's garments take the place of the serving one's, in one transaction.

The two tables exchange their schemas: nothing is copied, and indexes, constraints and sequences go
along. What points at the table itself, views and foreign keys of others, is made to point at the one
that takes its place; other roles may do with it what they might before, it is stored by the same
parameters, and triggers fire for it instead of for the one that served. Queries wait for some
milliseconds, writers for as long as it takes to see that nothing is left to be embedded.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text

from service.catalog.database.patience import unhurried_session, until_free
from service.catalog.database.rights import permitted
from service.catalog.models.behaviour import same_storage, same_triggers
from service.catalog.models.beside import generation_schema, quoted
from service.catalog.models.generations import has_same_shape, run
from service.catalog.models.privileges import (
    owner_of_garments,
    require_open_rows,
    require_own,
    same_privileges,
)
from service.catalog.switch.reembed import Reembedding
from service.catalog.switch.unread import remove_unread, require_read
from service.errors import DatabaseUnfit, SwitchRefused

WRITERS_PATIENCE, READERS_PATIENCE = "2s", "300ms"
"""For a lock that writers, or queries, must wait behind while we wait for it."""

FEW = 64
"""Garments that are embedded while writers wait, so that the swap comes to an end beside an import."""

# In the order that all take them: the table of models (`attach`), the model's row (whoever writes
# garments), the garments
LOCK_MODELS = text("LOCK TABLE model IN ROW EXCLUSIVE MODE")
LOCK_MODEL = text("SELECT id FROM model WHERE serving FOR NO KEY UPDATE")
LOCK_WRITERS = text("LOCK TABLE garment IN SHARE ROW EXCLUSIVE MODE")
LOCK_READERS = "LOCK TABLE garment, {new} IN ACCESS EXCLUSIVE MODE"

# Of a view only what it is made of is bound to the table; made anew it keeps its name and comments
VIEWS = text("""
    SELECT DISTINCT format('CREATE OR REPLACE VIEW %s%s AS %s', view.oid::regclass,
           ' WITH (' || array_to_string(view.reloptions, ', ') || ')', pg_get_viewdef(view.oid))
    FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid JOIN pg_class AS view ON view.oid = ev_class
    WHERE refobjid = 'garment'::regclass AND classid = 'pg_rewrite'::regclass AND relkind = 'v'
""")

MATERIALIZED = text("""
    SELECT DISTINCT view.oid::regclass::text
    FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid JOIN pg_class AS view ON view.oid = ev_class
    WHERE refobjid = 'garment'::regclass AND classid = 'pg_rewrite'::regclass AND relkind = 'm'
""")

REFERENCES = text("""
    SELECT conrelid::regclass::text AS referrer, quote_ident(conname) AS name,
           pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE confrelid = 'garment'::regclass AND contype = 'f'
    ORDER BY 1, 2
""")

CONTINUE_IDS = text("""
    SELECT setval(pg_get_serial_sequence(:new, 'id'),
                  nextval(pg_get_serial_sequence(:old, 'id')))
""")

UNPROVEN = " NOT VALID"  # as a constraint's definition ends where its rows were never looked at

STOP_SERVING = text("UPDATE model SET serving = false, served_until = now() WHERE serving")
START_SERVING = text("UPDATE model SET serving = true, served_until = NULL WHERE id = :model_id")

# The model's labels in its order; behind them those that it does not know, as given labels stay
ORDER_CATEGORIES = text("""
    UPDATE category SET position = place - 1
    FROM (
        SELECT category.name, row_number() OVER (
            ORDER BY array_position(labels, category.name) NULLS LAST, category.position,
                     category.name) AS place
        FROM category, model WHERE model.id = :model_id
    ) AS ordered
    WHERE ordered.name = category.name
""")

# A recall is of an index that has just left
FORGET_RECALL = text("DELETE FROM index_recall")


CatchUp = Callable[[Reembedding, bool], None]
"""Embeds what came or changed since; told through which connection, and whether writers wait meanwhile."""


def swap(
    engine: Engine,
    reembedding: Reembedding,
    *,
    forget_unread: bool = False,
    catch_up: CatchUp = lambda beside, hasty: None,
    beat: Callable[[], None] = lambda: None,
    conclude: Callable[[Connection], None] = lambda connection: None,
) -> None:
    """Let the model's garments serve from now on.

    catch_up: called as often as there is something left. forget_unread: delete the garments whose photo
    could not be read. beat: called before each attempt. conclude: notes in the same transaction that
    it is done. What they raise ends it.

    Raises `DatabaseUnavailable` where the table stays busy, `DatabaseUnfit` where the user may not do it,
    and `SwitchRefused` where photos could not be read (see `require_read`) or the table was migrated
    meanwhile; then nothing was changed.
    """
    unproven: list[str] | None = None

    def attempt() -> bool:
        nonlocal unproven
        beat()
        unproven = _try(engine, reembedding, forget_unread, catch_up, conclude)
        if unproven is None:
            catch_up(reembedding, False)
        return unproven is not None

    with permitted(
        "swap models",
        "Nothing was changed; let the table's owner do it, with CREATE on the database and the schema.",
    ):
        until_free(attempt)
    if unproven:
        # What refers to garments refers to some that are there, as the ids are the same: proven without
        # a lock on the rows
        with unhurried_session(engine) as connection:
            for constraint in unproven:
                run(connection, constraint)


def _try(
    engine: Engine,
    reembedding: Reembedding,
    forget: bool,
    catch_up: CatchUp,
    conclude: Callable[[Connection], None],
) -> list[str] | None:
    """The statements that prove what refers to garments; None where too many are left to be embedded."""
    model_id = reembedding.model_id
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{WRITERS_PATIENCE}'"))
        connection.execute(LOCK_MODELS)
        old_id = connection.execute(LOCK_MODEL).scalar_one()
        connection.execute(LOCK_WRITERS)
        if not has_same_shape(connection, model_id):
            raise SwitchRefused(
                "The catalog's table was changed meanwhile, by a migration perhaps. Nothing was changed; "
                "call it again, and every garment is embedded anew."
            )
        # Through this connection alone: another one may have to wait behind one that waits for us
        inside = reembedding.within(connection)
        if 0 < inside.count_left() <= FEW:
            catch_up(inside, True)
        if inside.count_left():
            return None
        require_read(connection, model_id, forget=forget)
        if forget:
            remove_unread(connection, model_id)
        inside.forget_deleted()
        connection.execute(ORDER_CATEGORIES, {"model_id": model_id})
        connection.execute(FORGET_RECALL)
        conclude(connection)
        unproven = _exchange(connection, old_id, reembedding.table)
        connection.execute(STOP_SERVING)
        connection.execute(START_SERVING, {"model_id": model_id})
    return unproven


def _exchange(connection: Connection, old_id: int, new: str) -> list[str]:
    """`new` becomes the catalog's table, and that one goes to the old model's schema.

    Returns the statements that prove anew what refers to garments, where that was proven before.
    """
    # A table with such as wait for the end of the transaction cannot be altered
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    materialized = list(connection.scalars(MATERIALIZED))
    if materialized:
        raise DatabaseUnfit(
            f"The materialized view {materialized[0]} stays bound to the old model's garments. "
            "Drop it, and make it again afterwards."
        )
    views = list(connection.scalars(VIEWS))
    references = connection.execute(REFERENCES).all()
    here = connection.scalar(text("SELECT quote_ident(current_schema())"))
    there = quoted(connection, generation_schema(connection, old_id))
    connection.execute(CONTINUE_IDS, {"new": new, "old": f"{here}.garment"})
    connection.execute(text(f"SET LOCAL lock_timeout = '{READERS_PATIENCE}'"))
    run(connection, LOCK_READERS.format(new=new))
    require_open_rows(connection)
    require_own(connection)
    for same in (same_privileges, same_storage, same_triggers):
        for statement in same(connection, f"{here}.garment", new):
            run(connection, statement)
    for referrer, name, _ in references:
        run(connection, f"ALTER TABLE {referrer} DROP CONSTRAINT {name}")
    owner = owner_of_garments(connection)
    run(connection, f"CREATE SCHEMA IF NOT EXISTS {there} AUTHORIZATION {owner}")
    run(connection, f"ALTER TABLE {here}.garment SET SCHEMA {there}")
    run(connection, f"ALTER TABLE {new} SET SCHEMA {here}")
    run(connection, f"DROP SCHEMA {new.removesuffix('.garment')}")
    for view in views:
        run(connection, view)
    for referrer, name, definition in references:
        run(
            connection,
            f"ALTER TABLE {referrer} ADD CONSTRAINT {name} "
            f"{definition.removesuffix(UNPROVEN)}{UNPROVEN}",
        )
    return [
        f"ALTER TABLE {referrer} VALIDATE CONSTRAINT {name}"
        for referrer, name, definition in references
        if not definition.endswith(UNPROVEN)
    ]
