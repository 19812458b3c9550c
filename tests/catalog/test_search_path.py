"""Where the catalog lies, and what its user may: what does not fit is one line that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, text

from service.catalog import (
    check_server,
    describe_server,
    migrate,
    open_engine,
    require_head,
    snapshot,
)
from service.errors import DatabaseUnfit

Opened = Callable[..., Engine]


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def opened() -> Iterator[Opened]:
    """The same database with another search path, or as another role."""
    with ExitStack() as stack:

        def opened(engine: Engine, path: str | None = None, role: str | None = None) -> Engine:
            url = engine.url if role is None else engine.url.set(username=role)
            if path is not None:
                url = url.update_query_dict({"options": f"-csearch_path={path}"})
            other = open_engine(url.render_as_string(hide_password=False))
            stack.callback(other.dispose)
            return other

        yield opened


@pytest.fixture
def shop(administrator: Engine, empty: Engine) -> Iterator[str]:
    """A role that may log in, and nothing else."""
    execute(empty, "DROP ROLE IF EXISTS shop", "CREATE ROLE shop LOGIN")
    yield "shop"
    execute(empty, "DROP OWNED BY shop CASCADE", "DROP ROLE shop")


def test_a_catalog_behind_another_schema_is_refused_whatever_is_done(
    empty: Engine, opened: Opened, shop: str
) -> None:
    """As where a schema of the user's name is made later, or one for staging."""
    migrate(empty)
    execute(empty, "CREATE SCHEMA shop AUTHORIZATION shop", "CREATE SCHEMA studio")
    execute(empty, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO shop")
    for other, first in (
        (opened(empty, role=shop), "shop"),
        (opened(empty, "studio,public"), "studio"),
    ):
        said = f"is in the schema public, and {first} comes before it.*Put public first, or leave it out"
        for work in (migrate, require_head, lambda engine: migrate(engine, "base")):
            with pytest.raises(DatabaseUnfit, match=said):
                work(other)
        with pytest.raises(DatabaseUnfit, match=said), snapshot(other):
            pass
    require_head(empty)
    require_head(opened(empty, "public,studio"))


def test_where_no_schema_is_there_for_the_user_it_is_said(
    empty: Engine, opened: Opened, shop: str
) -> None:
    with pytest.raises(
        DatabaseUnfit, match=r"No schema of the search path \(lost\).*CREATE SCHEMA"
    ):
        migrate(opened(empty, "lost"))
    execute(empty, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    with pytest.raises(DatabaseUnfit, match=r"GRANT USAGE, CREATE ON SCHEMA public TO shop"):
        migrate(opened(empty, role=shop))


def test_who_does_not_own_the_tables_is_told_who_does_and_how_far_it_got(
    empty: Engine, opened: Opened, shop: str
) -> None:
    migrate(empty, "0008")
    execute(
        empty,
        "GRANT ALL ON SCHEMA public TO shop",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO shop",
    )
    said = r"must be owner.*Nothing was migrated; run it as the owner of the tables, postgres\.$"
    with pytest.raises(DatabaseUnfit, match=said):
        migrate(opened(empty, role=shop))
    execute(empty, "ALTER TABLE upload OWNER TO shop")
    with pytest.raises(DatabaseUnfit, match=r"is at revision 0010 now; run it as the owner"):
        migrate(opened(empty, role=shop))


def test_where_pgvector_cannot_be_reached_it_is_said(
    empty: Engine, opened: Opened, shop: str
) -> None:
    execute(empty, "CREATE SCHEMA ext", "CREATE EXTENSION vector SCHEMA ext")
    for work in (check_server, describe_server, migrate):
        with pytest.raises(
            DatabaseUnfit, match=r"schema ext.*\?options=-csearch_path=public,ext at"
        ):
            work(empty)
    with pytest.raises(DatabaseUnfit, match="GRANT USAGE ON SCHEMA ext TO shop"):
        check_server(opened(empty, "public,ext", role=shop))
    there = opened(empty, "public,ext")
    migrate(there)
    require_head(there)
