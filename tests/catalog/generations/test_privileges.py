"""What other roles may do with the garments after another model's have taken their place."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text

from service.catalog import drop_generation, make_generation, swap
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
