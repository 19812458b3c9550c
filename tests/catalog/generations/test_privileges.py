"""What other roles may do with the garments after another model's have taken their place."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from service.catalog import (
    Reembedding,
    drop_generation,
    make_generation,
    open_engine,
    serving_id,
    swap,
)
from service.errors import DatabaseUnfit

from .conftest import embed, execute


@pytest.fixture
def roles(engine):
    """An analyst and a partner, of the whole server: their names are this test's own."""
    names = [f"{name}_{uuid4().hex[:8]}" for name in ("analyst", "partner")]
    for name in names:
        execute(engine, f"CREATE ROLE {name}")
    yield names
    for name in names:
        execute(engine, f"DROP OWNED BY {name}")
        execute(engine, f"DROP ROLE {name}")


@pytest.fixture
def keeper(engine, stocked, new_id):
    """A role of the whole server that is no superuser, and owns the catalog; its own engine."""
    name = f"keeper_{uuid4().hex[:8]}"
    execute(engine, f"CREATE ROLE {name} LOGIN")
    execute(engine, f"GRANT CREATE ON SCHEMA public TO {name}")
    execute(
        engine,
        f"DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {name}', current_database()); END $$",
    )
    with engine.connect() as connection:
        owned = connection.execute(text(OWNED)).all()
    for kind, relation in owned:
        execute(engine, f"ALTER {kind} {relation} OWNER TO {name}")
    own = open_as(engine, name)
    yield own
    own.dispose()
    execute(engine, f"DROP OWNED BY {name} CASCADE")
    execute(engine, f"DROP ROLE {name}")


OWNED = """
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
"""


def open_as(engine, role):
    return open_engine(
        make_url(str(engine.url)).set(username=role).render_as_string(hide_password=False)
    )


def may(engine, role):
    """What a role may do with the table and, beyond that, with two of its columns."""
    with engine.connect() as connection:
        return {
            asked: connection.scalar(text(f"SELECT {asked}"), {"role": role})
            for asked in (
                "has_table_privilege(:role, 'garment', 'SELECT')",
                "has_table_privilege(:role, 'garment', 'SELECT WITH GRANT OPTION')",
                "has_table_privilege(:role, 'garment', 'UPDATE')",
                "has_column_privilege(:role, 'garment', 'image_path', 'SELECT')",
                "has_column_privilege(:role, 'garment', 'embedding', 'SELECT')",
                "has_column_privilege(:role, 'garment', 'label', 'UPDATE WITH GRANT OPTION')",
            )
        }


def test_what_was_granted_before_or_meanwhile_is_granted_afterwards(engine, roles, reembedding):
    analyst, partner = roles  # and the other model's table is there already
    execute(engine, f"GRANT SELECT ON garment TO {analyst} WITH GRANT OPTION")
    execute(engine, f"GRANT SELECT (id, image_path, label) ON garment TO {partner}")
    execute(engine, f"GRANT UPDATE (label) ON garment TO {partner} WITH GRANT OPTION")
    before = [may(engine, role) for role in roles]
    assert [sum(granted.values()) for granted in before] == [4, 2]
    embed(reembedding)
    swap(engine, reembedding)
    assert [may(engine, role) for role in roles] == before


def test_what_was_taken_back_does_not_return_with_a_model_of_before(
    engine, model_id, new_id, roles, reembedding
):
    analyst, partner = roles
    execute(engine, f"GRANT SELECT, UPDATE ON garment TO {analyst}, PUBLIC")
    execute(engine, f"GRANT SELECT (embedding) ON garment TO {partner}")
    embed(reembedding)
    swap(engine, reembedding)
    for role in (*roles, "PUBLIC"):
        execute(engine, f"REVOKE ALL ON garment FROM {role}")
    execute(engine, f"GRANT UPDATE ON garment TO {partner}")
    now = [may(engine, role) for role in roles]
    make_generation(engine, model_id)
    back = type(reembedding)(engine, model_id)
    swap(engine, back)
    assert [may(engine, role) for role in roles] == now


def test_rows_that_not_everyone_may_see_are_no_other_models(engine, new_id, reembedding):
    embed(reembedding)
    execute(engine, "ALTER TABLE garment ENABLE ROW LEVEL SECURITY")
    with pytest.raises(DatabaseUnfit, match="row level security"):
        swap(engine, reembedding)
    drop_generation(engine, new_id)
    with pytest.raises(DatabaseUnfit, match="row level security"):
        make_generation(engine, new_id)


@pytest.mark.parametrize(
    ("theirs", "undone"),
    [
        ("CREATE VIEW theirs AS SELECT id FROM garment", "DROP VIEW theirs"),
        ("CREATE TABLE theirs (id bigint REFERENCES garment)", "DROP TABLE theirs"),
        ("ALTER TABLE garment OWNER TO postgres", "ALTER TABLE garment OWNER TO {}"),
    ],
)
def test_what_belongs_to_others_is_named_before_anything_is_embedded(
    engine, keeper, model_id, new_id, theirs, undone
):
    execute(engine, theirs)
    named = "theirs" if "theirs" in theirs else "garment"
    with pytest.raises(DatabaseUnfit, match=f"{named} of postgres"):
        make_generation(keeper, new_id)
    execute(engine, undone.format(keeper.url.username))
    make_generation(keeper, new_id)
    reembedding = Reembedding(keeper, new_id)
    embed(reembedding)
    execute(engine, theirs)  # and what comes meanwhile
    with pytest.raises(DatabaseUnfit, match=f"{named} of postgres|may not swap"):
        swap(keeper, reembedding)
    assert serving_id(engine) == model_id
    execute(engine, undone.format(keeper.url.username))
    swap(keeper, reembedding)
    assert serving_id(engine) == new_id


def test_a_user_that_may_not_swap_is_told_so(engine, keeper, model_id, new_id):
    make_generation(keeper, new_id)
    reembedding = Reembedding(keeper, new_id)
    embed(reembedding)
    execute(engine, f"REVOKE CREATE ON SCHEMA public FROM {keeper.url.username}")
    with pytest.raises(DatabaseUnfit, match="may not swap models: permission denied for schema"):
        swap(keeper, reembedding)
    assert serving_id(engine) == model_id


def test_what_a_member_of_the_owners_role_makes_is_the_owners(engine, keeper, model_id, new_id):
    """Views of the catalog's own are asked as their owner."""
    owner = keeper.url.username
    name = f"deputy_{uuid4().hex[:8]}"
    execute(engine, f"CREATE ROLE {name} LOGIN IN ROLE {owner}")
    deputy = open_as(engine, name)
    try:
        for to in (new_id, model_id):  # there and back
            make_generation(deputy, to)
            reembedding = Reembedding(deputy, to)
            embed(reembedding)
            swap(deputy, reembedding)
            with keeper.connect() as connection:
                assert connection.scalar(text(OWNER)) == owner
                assert connection.scalar(text("SELECT count(*) FROM catalog_categories")) > 0
        drop_generation(keeper, new_id)
    finally:
        deputy.dispose()
        execute(engine, f"DROP OWNED BY {name} CASCADE")
        execute(engine, f"DROP ROLE {name}")


OWNER = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'garment'::regclass"
