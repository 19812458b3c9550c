"""Triggers and storage parameters of the shop's own: they belong to the garments that serve."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from service.catalog import (
    Reembedding,
    beside,
    build_indexes,
    drop_generation,
    make_generation,
    serving_id,
    swap,
)

from .conftest import COUNT, embed, execute

STATES = """
    SELECT tgname, tgenabled FROM pg_trigger
    WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal ORDER BY tgname
"""

OPTIONS = """
    SELECT garments.reloptions, aside.reloptions FROM pg_class AS garments
    JOIN pg_class AS aside ON aside.oid = garments.reltoastrelid
    WHERE garments.oid = to_regclass(:table)
"""


def states(engine, table="garment"):
    return dict(execute(engine, STATES, table=table).all())


def options(engine):
    return tuple(execute(engine, OPTIONS, table="garment").one())


@pytest.fixture
def triggers(engine, stocked):
    """As shops have them: `updated_at` is kept, deletions and updates are told, one is switched off."""
    for name, body in {
        "touch": "BEGIN NEW.updated_at = clock_timestamp(); RETURN NEW; END",
        "tell": "BEGIN INSERT INTO told VALUES (TG_TABLE_SCHEMA, TG_OP); RETURN NULL; END",
    }.items():
        execute(
            engine, f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
        )
    execute(engine, "CREATE TABLE told (place text, what text)")
    for trigger in (
        "TRIGGER touch BEFORE UPDATE ON garment FOR EACH ROW EXECUTE FUNCTION touch()",
        "TRIGGER tell AFTER INSERT OR UPDATE ON garment FOR EACH ROW EXECUTE FUNCTION tell()",
        "CONSTRAINT TRIGGER went AFTER DELETE ON garment DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION tell()",
        "TRIGGER off AFTER UPDATE ON garment FOR EACH ROW EXECUTE FUNCTION tell()",
    ):
        execute(engine, f"CREATE {trigger}")
    execute(engine, "ALTER TABLE garment DISABLE TRIGGER off")
    execute(engine, "ALTER TABLE garment ENABLE ALWAYS TRIGGER tell")


def told(engine):
    return execute(engine, "SELECT place, what FROM told ORDER BY 1, 2").all()


def test_triggers_do_not_fire_for_what_is_written_beside(engine, triggers, new_id):
    make_generation(engine, new_id)
    reembedding = Reembedding(engine, new_id)
    assert len(embed(reembedding)) == COUNT + 20
    build_indexes(beside(engine, new_id), threshold=50)
    assert reembedding.count_left() == 0
    assert told(engine) == []


def test_triggers_fire_for_the_garments_that_serve_after_a_swap(engine, model_id, triggers, new_id):
    before = states(engine)
    assert before["garment_forget_components"] == "O"
    make_generation(engine, new_id)
    reembedding = Reembedding(engine, new_id)
    embed(reembedding)
    swap(engine, reembedding)
    execute(engine, "UPDATE garment SET label_source = 'given' WHERE id = 1")
    assert told(engine) == [("public", "UPDATE")]
    old = f"public_model_{model_id}.garment"
    execute(engine, f"UPDATE {old} SET label_source = 'given' WHERE id = 1")
    assert told(engine) == [("public", "UPDATE")]
    assert states(engine) == before
    assert states(engine, old) == dict.fromkeys(before, "D")
    back = Reembedding(engine, model_id)
    embed(back)
    swap(engine, back)
    assert states(engine) == before


def test_a_table_that_an_earlier_version_made_beside_is_written_without_triggers(
    engine, triggers, new_id
):
    make_generation(engine, new_id)
    execute(engine, f"ALTER TABLE public_model_{new_id}.garment ENABLE TRIGGER USER")
    make_generation(engine, new_id)
    embed(Reembedding(engine, new_id))
    assert told(engine) == []


def test_a_trigger_that_waits_for_the_commit_is_no_obstacle(engine, triggers, new_id):
    make_generation(engine, new_id)
    reembedding = Reembedding(engine, new_id)
    lost, *_ = reembedding.left(after=0, rows=1)
    reembedding.write([], [(lost, "It is gone.")])
    embed(reembedding)
    swap(engine, reembedding, forget_unread=True)
    assert serving_id(engine) == new_id
    assert told(engine) == [("public", "DELETE")]


def test_statistics_of_the_shops_own_are_no_obstacle(engine, model_id, stocked, new_id):
    execute(engine, "CREATE STATISTICS mine ON label, model_id FROM garment")
    make_generation(engine, new_id)
    reembedding = Reembedding(engine, new_id)
    embed(reembedding)
    swap(engine, reembedding)
    assert serving_id(engine) == new_id
    drop_generation(engine, model_id)
    assert execute(engine, "SELECT count(*) FROM pg_statistic_ext").scalar_one() == 0


def test_an_index_of_the_shops_own_goes_along(engine, stocked, new_id):
    execute(engine, "CREATE INDEX hnsw_by_time ON garment (created_at)")
    make_generation(engine, new_id)
    reembedding = Reembedding(engine, new_id)
    embed(reembedding)
    swap(engine, reembedding)
    place = "SELECT to_regclass('public.hnsw_by_time') IS NOT NULL"
    assert execute(engine, place).scalar_one()


def test_storage_parameters_follow_as_they_are_at_the_swap(engine, model_id, stocked, new_id):
    execute(engine, "ALTER TABLE garment SET (fillfactor = 90, autovacuum_enabled = off)")
    beside_table = f"public_model_{new_id}.garment"
    make_generation(engine, new_id)
    made = execute(engine, OPTIONS, table=beside_table).scalar_one()
    assert sorted(made) == ["autovacuum_enabled=off", "fillfactor=90"]
    execute(engine, "ALTER TABLE garment RESET (autovacuum_enabled)")
    execute(engine, "ALTER TABLE garment SET (autovacuum_vacuum_scale_factor = 0.01)")
    execute(engine, "ALTER TABLE garment SET (toast.autovacuum_vacuum_threshold = 7)")
    kept = options(engine)
    reembedding = Reembedding(engine, new_id)
    embed(reembedding)
    swap(engine, reembedding)
    assert tuple(map(sorted, options(engine))) == tuple(map(sorted, kept))
    execute(engine, "ALTER TABLE garment RESET (fillfactor)")
    kept = options(engine)
    swap(engine, Reembedding(engine, model_id))
    assert options(engine) == kept
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM garment")) == COUNT + 20
