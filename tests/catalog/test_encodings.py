"""Text is UTF-8 in the database and on the way there, whatever else the machine and the server say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, make_url, text

from service.catalog import Loader, attach, check_server, migrate, open_engine
from service.catalog.database.pgtools import running, tools
from service.errors import DatabaseUnfit
from tests.poolers import pgbouncer

from .samples import BUNDLE, row

PATH = "Kleider/größe.jpg"
STORED = text("SELECT encode(convert_to(image_path, 'UTF8'), 'hex') FROM garment")


@pytest.fixture
def old_database(administrator: Engine, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of another encoding."""
    name = f"of_{request.param.lower()}"
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        how = f"TEMPLATE template0 ENCODING '{request.param}' LOCALE 'C'"
        connection.execute(text(f"CREATE DATABASE {name} {how}"))
        yield administrator.url.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize("old_database", ["SQL_ASCII", "LATIN1"], indirect=True)
def test_a_database_of_another_encoding_is_refused(old_database: str) -> None:
    engine = open_engine(old_database)
    for work in (check_server, migrate):
        with pytest.raises(DatabaseUnfit, match=r"has the encoding .* ENCODING 'UTF8' LOCALE 'C'"):
            work(engine)
    engine.dispose()


def stored(engine: Engine) -> str:
    Loader(engine, attach(engine, **BUNDLE)).write([row(PATH)])
    with engine.connect() as connection:
        return bytes.fromhex(connection.scalar(STORED)).decode()


def test_the_environment_and_the_url_change_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    said = {"client_encoding": "latin1", "options": "-c client_encoding=latin1"}
    url = make_url(database_url).update_query_dict(said)
    engine = open_engine(url.render_as_string(hide_password=False))
    assert stored(engine) == PATH
    asked = [
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--command=SELECT image_path FROM garment",
    ]
    with running(tools(18, "The tests"), "psql", asked, engine) as psql:
        assert psql.process.stdout is not None
        assert psql.process.stdout.read().decode() == f"{PATH}\n"
    engine.dispose()


def test_nor_does_what_the_server_has_for_the_role(engine: Engine, database_url: str) -> None:
    name = engine.url.database
    with engine.begin() as connection:
        connection.execute(
            text(f"ALTER ROLE postgres IN DATABASE {name} SET client_encoding = latin1")
        )
    engine.dispose()
    assert stored(engine) == PATH


def test_a_pooler_hands_it_on(database_url: str) -> None:
    with pgbouncer(database_url) as pooler:
        engine = open_engine(pooler.studio)
        assert stored(engine) == PATH
        engine.dispose()
