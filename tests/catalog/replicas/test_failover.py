"""The primary goes, and another server takes over."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import Engine, text

from service.catalog import (
    Loader,
    Replicas,
    attach,
    libpq,
    open_engine,
    similar,
)
from service.catalog.database.pgtools import running, tools
from service.errors import DatabaseUnavailable, SettingsInvalid

from ..samples import BUNDLE, clustered, row
from .conftest import COUNT, LAG, caught_up, execute, load, on_standby, wait


def test_the_primary_dies_and_the_replica_takes_over(servers, shelve_at):
    """The engine's URL names both. Reads go on meanwhile, writes once the standby is promoted."""
    primary, standby = servers
    url = f"postgresql+psycopg://postgres@/postgres?host={primary.folder}&host={standby.folder}"
    engine = open_engine(url)
    shelve_at(engine, "Tee", COUNT)
    replicas = Replicas(engine, [standby.url()], lag_seconds=LAG)
    replicas.watch()
    caught_up(replicas, engine)
    wait(lambda: replicas.troubles() == [])

    def fail_over() -> None:
        primary.kill()
        time.sleep(LAG + 2)
        wait(lambda: replicas.read(on_standby))  # it has all that the primary was last seen to have
        standby.promote()

    answers, _ = load(replicas, 2 * LAG + 8, fail_over)
    assert answers.keys() == {"right"}
    shelve_at(engine, "Dress", 10)
    assert len(replicas.read(lambda e: similar(e, 1, labels=["Tee", "Dress"], n=100)[0])) == 100
    wait(lambda: replicas.troubles() == [])
    replicas.close()
    engine.dispose()


@pytest.fixture
def shelve_at() -> Callable[[Engine, str, int], None]:
    def shelve_at(engine: Engine, label: str, count: int) -> None:
        loader = Loader(engine, attach(engine, **BUNDLE))
        vectors = clustered(count, seed=len(label))
        loader.write(
            [row(f"{label}/{i}.jpg", label=label, embedding=v) for i, v in enumerate(vectors)]
        )

    return shelve_at


RECOVERING = "SELECT pg_is_in_recovery()"


def test_a_replica_that_has_what_the_primary_never_wrote_answers_no_more(strict, engine, servers):
    """It was promoted by mistake, and written to, and the primary is past it later on."""
    servers[1].promote()
    standby = open_engine(servers[1].url())
    execute(standby, WRITE.format(1_000_000))
    with pytest.raises(DatabaseUnavailable, match=r"never wrote\. Make it anew"):
        caught_up(strict, engine)
    wait(lambda: any("never wrote" in trouble for trouble in strict.troubles()))
    execute(engine, WRITE.format(2_000_000))
    for _ in range(30):
        assert strict.read(lambda asked: asked) is engine
        time.sleep(0.1)
    assert strict.troubles()
    standby.dispose()


WRITE = "SELECT pg_logical_emit_message(true, '', repeat('x', {}))"


def test_of_several_hosts_the_one_that_can_be_written_is_taken(servers):
    """By SQLAlchemy, by the queue's own connections, and by the programs of a backup."""
    primary, standby = servers
    url = f"postgresql+psycopg://postgres@/postgres?host={standby.folder}&host={primary.folder}"
    engine = open_engine(url)
    assert not on_standby(engine)
    conninfo, parameters = libpq(engine)
    with psycopg.connect(conninfo, **parameters) as connection:
        assert connection.execute(RECOVERING).fetchone() == (False,)
    with running(tools(18, "the test"), "psql", ["-Atc", RECOVERING], engine) as program:
        assert program.process.stdout.read() == b"f\n", program.complaint()
    engine.dispose()


def test_a_primary_that_became_a_standby_is_no_primary(servers):
    """A write there is no fault of the query, and the next connection may lead elsewhere."""
    engine = open_engine(servers[1].url())
    with engine.connect() as connection:
        before = connection.scalar(text("SELECT pg_backend_pid()"))
    with pytest.raises(DatabaseUnavailable, match="read-only transaction"):
        execute(engine, "DELETE FROM garment")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != before
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://me@here/db", "postgresql://a,b/db"])
def test_a_url_that_cannot_serve_is_refused(url):
    with pytest.raises(SettingsInvalid, match="FASHION_STUDIO_REPLICA_URL"):
        Replicas(open_engine("postgresql://shop@one/catalog"), [url], lag_seconds=LAG)


def test_what_a_url_leaves_out_is_the_primarys():
    primary = open_engine("postgresql://shop:secret@one,two:6000/catalog?sslmode=require")
    named = Replicas(primary, ["postgresql://three", "postgresql://eve@four/x"], lag_seconds=LAG)
    first, second = (replica.engine.url for replica in named.all)
    shown = first.render_as_string(hide_password=False)
    assert shown == "postgresql+psycopg://shop:secret@three/catalog?sslmode=require"
    assert (second.username, second.password, second.database) == ("eve", None, "x")
