"""The whole database by Postgres's own programs, as its administrator moves it: all of it comes back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from service.catalog import (
    Reembedding,
    build_indexes,
    make_generation,
    migrate,
    open_engine,
    register,
    require_head,
)
from service.catalog.database.pgtools import tools
from tests.catalog.generations.conftest import NEW, embed
from tests.conftest import _database

from .conftest import answers, contents

TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname, tgenabled, pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2
"""
EARLIER = "0010"


def program(name: str, *arguments: str | Path) -> None:
    """Raises `AssertionError` with what it complained of."""
    done = subprocess.run(
        [tools(18, "The tests").program(name), *arguments], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def libpq_url(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def moved(engine: Engine, url: str, file: Path) -> Engine:
    """Another database, into which the whole of this one was dumped and restored."""
    dumped = libpq_url(engine.url.render_as_string(hide_password=False))
    program("pg_dump", "--format=custom", f"--file={file}", dumped)
    program("pg_restore", "--exit-on-error", f"--dbname={libpq_url(url)}", file)
    return open_engine(url)


def triggers(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(TRIGGERS))]


@pytest.mark.parametrize("kept", [False, True])
def test_a_dump_of_the_whole_database_is_restored(
    engine: Engine, few, empty_database_url: str, tmp_path: Path, kept: bool
) -> None:
    build_indexes(engine, threshold=50)
    if kept:
        new_id = register(engine, **NEW)
        make_generation(engine, new_id)
        embed(Reembedding(engine, new_id))
    other = moved(engine, empty_database_url, tmp_path / "dump")
    require_head(other)
    assert contents(other) == contents(engine)
    assert triggers(other) == triggers(engine)
    assert answers(other, few) == answers(engine, few)
    other.dispose()


def test_also_where_pgvector_has_a_schema_of_its_own(
    other: Engine, administrator: Engine, tmp_path: Path
) -> None:
    with other.begin() as connection:
        connection.execute(text("CREATE SCHEMA ext"))
        connection.execute(text("CREATE EXTENSION vector SCHEMA ext"))
    path = {"options": "-csearch_path=public,ext"}
    url = other.url.update_query_dict(path).render_as_string(hide_password=False)
    catalog = open_engine(url)
    migrate(catalog)
    for target in _database(administrator, "template1"):
        copy = moved(catalog, target, tmp_path / "dump")
        assert len(triggers(copy)) == len(triggers(catalog)) > 0
        copy.dispose()
    catalog.dispose()


def test_garments_kept_by_an_earlier_revision_are_dumped_too(
    engine: Engine, few, empty_database_url: str, tmp_path: Path
) -> None:
    """Where triggers fired they do, and where not they do not, up and down."""
    new = triggers(engine)
    migrate(engine, EARLIER)
    make_generation(engine, register(engine, **NEW))
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE garment ENABLE ALWAYS TRIGGER garment_forget_components")
        )
    before = triggers(engine)
    migrate(engine)
    after = triggers(engine)
    assert [row[:3] for row in after] == [row[:3] for row in before]
    assert {fires for _, name, fires, _ in after if name == "garment_forget_components"} == {
        "A",
        "D",
    }
    assert new[0][3] in {row[3] for row in after}
    moved(engine, empty_database_url, tmp_path / "dump").dispose()
    migrate(engine, EARLIER)
    assert triggers(engine) == before
