"""Reads on a real standby: what it answers, when it does not, and what happens when a server goes."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import psycopg
import pytest
from sqlalchemy import Engine, text

from service.catalog import (
    Loader,
    Reembedding,
    Replicas,
    attach,
    beside,
    build_indexes,
    garment_by_id,
    is_empty,
    libpq,
    make_generation,
    migrate,
    open_engine,
    register,
    similar,
    swap,
)
from service.catalog.pgtools import running, tools
from service.errors import DatabaseUnavailable, GarmentNotFound, LabelUnknown, SettingsInvalid

from ..clusters import Cluster, clusters
from .generations.conftest import NEW, as_new, embed
from .samples import BUNDLE, clustered, row

COUNT, LAG = 150, 4.0


@pytest.fixture(scope="module")
def made(server_url: str) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary with an empty catalog, and a standby as pg_basebackup makes it; both stopped."""
    with clusters("primary", "standby") as (primary, standby):
        primary.create()
        primary.start()
        engine = open_engine(primary.url())
        migrate(engine)
        engine.dispose()
        standby.follow(primary)
        primary.stop()
        yield primary, standby


@pytest.fixture
def servers(made: tuple[Cluster, Cluster]) -> Iterator[tuple[Cluster, Cluster]]:
    """Copies of both for a test to kill; the standby streams from the primary."""
    with clusters("primary", "standby") as (primary, standby):
        primary.copy(made[0])
        standby.copy(made[1], primary)
        primary.start()
        standby.start()
        yield primary, standby


@pytest.fixture
def engine(servers: tuple[Cluster, Cluster]) -> Iterator[Engine]:
    engine = open_engine(servers[0].url())
    yield engine
    engine.dispose()


@pytest.fixture
def replicas(engine: Engine, servers: tuple[Cluster, Cluster]) -> Iterator[Replicas]:
    """The standby answers, and may be behind for as long as a busy machine takes."""
    yield from watched(engine, servers[1], 60)


@pytest.fixture
def strict(engine: Engine, servers: tuple[Cluster, Cluster]) -> Iterator[Replicas]:
    """The standby answers, and may be behind for moments only."""
    yield from watched(engine, servers[1], LAG)


def watched(engine: Engine, standby: Cluster, lag_seconds: float) -> Iterator[Replicas]:
    found = Replicas(engine, [standby.url()], lag_seconds=lag_seconds)
    found.counted = Counter()
    found.count = lambda answered_by: found.counted.update([answered_by])
    found.watch()
    wait(lambda: found.troubles() == [])
    yield found
    found.close()


def wait(condition: Callable[[], object], seconds: float = 20.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began


def on_standby(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(text("SELECT pg_is_in_recovery()")))


def execute(engine: Engine, statement: str) -> None:
    """Outside a transaction, which ALTER SYSTEM wants."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(statement))


def nearest(engine: Engine, query: np.ndarray | int = 1) -> list[tuple[int, float]]:
    matches, _ = similar(engine, query, labels=["Tee"], n=5)
    return [(match.id, match.similarity) for match in matches]


def caught_up(replicas: Replicas, engine: Engine) -> None:
    replicas.all[0].catch_up(engine)


def test_a_search_is_answered_by_the_replica_as_by_the_primary(replicas, engine, model_id, shelve):
    shelve("Tee", COUNT)
    build_indexes(engine, threshold=50)
    caught_up(replicas, engine)
    assert replicas.read(on_standby)
    right = nearest(engine)
    engine.dispose()
    time.sleep(0.5)  # until its sessions have ended
    execute(engine, "SELECT pg_stat_reset()")
    before = scans(replicas.all[0].engine)
    assert [replicas.read(nearest) for _ in range(20)] == [right] * 20
    wait(lambda: scans(replicas.all[0].engine) >= before + 20)
    assert scans(engine) == 0
    assert replicas.counted == {"replica": 21}


def scans(engine: Engine) -> int:
    """Of the table of garments, by whatever plan. A session tells of them when it ends."""
    engine.dispose()
    with engine.connect() as connection:
        return int(connection.scalar(text(SCANS)))


SCANS = """
    SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'garment'
"""


def test_what_a_replica_lacks_or_refuses_the_primary_is_asked_for(
    replicas, engine, servers, model_id, shelve
):
    caught_up(replicas, engine)
    execute(replicas.all[0].engine, "SELECT pg_wal_replay_pause()")
    shelve("Tee", 10)
    assert replicas.read(lambda engine: garment_by_id(engine, 1)).id == 1
    assert len(replicas.read(nearest)) == 5
    assert replicas.counted == {"primary": 2}
    with pytest.raises(GarmentNotFound):
        replicas.read(lambda engine: garment_by_id(engine, 999))
    with pytest.raises(LabelUnknown):
        replicas.read(lambda engine: similar(engine, 1, labels=["Sock"], n=5))
    assert replicas.read(is_empty), "it is behind, as it may be for a while"


def test_who_has_written_reads_the_primary(replicas):
    replicas.prefer_primary(True)
    assert not replicas.read(on_standby)
    replicas.prefer_primary(False)
    assert replicas.read(on_standby)


def test_a_replica_that_is_too_far_behind_answers_no_more_until_it_has_caught_up(
    strict, engine, model_id, loader
):
    """Paused in the midst of writes, as a slow disk would have it; and idle, it is not behind."""
    time.sleep(LAG + 1.5)
    wait(lambda: strict.read(on_standby))  # nobody wrote, so it has everything
    execute(strict.all[0].engine, "SELECT pg_wal_replay_pause()")
    loader.write([row("late.jpg")])
    written, oldest = time.monotonic(), 0.0
    while strict.read(lambda engine: (is_empty(engine), on_standby(engine))) == (True, True):
        oldest = time.monotonic() - written
        assert oldest < LAG + 2, "an answer is older than it may be"
        time.sleep(0.01)
    assert oldest > 0.5
    assert f"may be {LAG:g}" in strict.troubles()[0]
    assert strict.all[0].lag > LAG
    assert not strict.read(is_empty)
    execute(strict.all[0].engine, "SELECT pg_wal_replay_resume()")
    assert wait(lambda: strict.read(on_standby)) < 15
    assert not strict.read(is_empty)
    wait(lambda: strict.troubles() == [])


def test_a_replica_that_was_behind_before_anyone_looked_does_not_answer(
    engine, servers, model_id, loader
):
    standby = open_engine(servers[1].url())
    execute(standby, "SELECT pg_wal_replay_pause()")
    loader.write([row("early.jpg")])
    replicas = Replicas(engine, [servers[1].url()], lag_seconds=60)
    replicas.watch()
    wait(lambda: "caught up" in replicas.troubles()[0])
    time.sleep(2)
    assert not replicas.read(on_standby)
    execute(standby, "SELECT pg_wal_replay_resume()")
    wait(lambda: replicas.read(on_standby))
    assert not replicas.read(is_empty)
    replicas.close()
    standby.dispose()


def test_a_replica_that_is_cut_off_is_behind_though_it_has_all_it_received(
    strict, engine, servers, model_id, loader
):
    execute(strict.all[0].engine, "ALTER SYSTEM SET primary_conninfo = 'host=/nowhere'")
    execute(strict.all[0].engine, "SELECT pg_reload_conf()")
    wait(lambda: "could not connect to the primary" in servers[1].log())
    loader.write([row("unseen.jpg")])
    assert wait(lambda: not strict.read(on_standby)) < LAG + 4


def load(replicas: Replicas, seconds: float, act: Callable[[], None]) -> tuple[Counter, float]:
    """What six threads were answered while something happened, and the longest that one took."""
    right = nearest(replicas._primary)
    until, found, slowest = time.monotonic() + seconds, Counter(), [0.0]

    def ask() -> None:
        while (began := time.monotonic()) < until:
            try:
                found["right" if replicas.read(nearest) == right else "wrong"] += 1
            except Exception as error:
                found[f"{type(error).__name__}: {error}"] += 1
            slowest.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 4)
    act()
    for thread in threads:
        thread.join(60)
    return found, max(slowest)


def test_a_replica_that_is_killed_under_load_fails_no_read_and_comes_back(
    replicas, engine, servers, model_id, shelve
):
    shelve("Tee", COUNT)
    caught_up(replicas, engine)
    answers, slowest = load(replicas, 4, servers[1].kill)
    assert answers.keys() == {"right"}
    assert min(replicas.counted["replica"], replicas.counted["primary"]) > 20
    assert slowest < 5
    assert "does not answer" in replicas.troubles()[0]
    servers[1].start()
    wait(lambda: replicas.read(on_standby))


def test_a_replica_that_stands_still_keeps_nobody_waiting_for_ever(
    strict, engine, servers, model_id, shelve
):
    """Its kernel answers for it, so that no keepalive tells."""
    shelve("Tee", COUNT)
    caught_up(strict, engine)
    try:
        answers, slowest = load(strict, 2 * LAG + 4, lambda: servers[1].send(signal.SIGSTOP))
    finally:
        servers[1].send(signal.SIGCONT)
    assert answers.keys() == {"right"}
    assert LAG - 1 < slowest < LAG + 5
    wait(lambda: strict.read(on_standby))


def test_a_read_that_recovery_ends_is_asked_of_the_primary(replicas, engine, model_id, shelve):
    """The standby waits a moment for a read before it removes what that sees, and then ends it."""
    shelve("Tee", COUNT)
    caught_up(replicas, engine)
    standby = replicas.all[0].engine
    execute(standby, "ALTER SYSTEM SET max_standby_streaming_delay = '100ms'")
    execute(standby, "SELECT pg_reload_conf()")
    asked = []

    def ask(one: Engine) -> int:
        """A long read, of which a part is gone before its end."""
        with one.connect() as connection:
            asked.append(on_standby(one))
            if asked[-1]:
                connection.execute(text("SELECT count(*) FROM garment"))
                with engine.begin() as other:
                    other.execute(text("LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"))
                connection.execute(text("SELECT pg_sleep(5)"))
            return int(connection.scalar(text("SELECT count(*) FROM garment")))

    assert replicas.read(ask) == COUNT
    assert asked == [True, False]
    assert replicas.read(nearest) == nearest(engine)


def test_a_lock_that_is_replayed_keeps_nobody_waiting(replicas, engine, model_id, shelve):
    """As when the replay stops in the midst of a swap: the lock is there, its end is not."""
    shelve("Tee", COUNT)
    caught_up(replicas, engine)
    right = nearest(engine)
    with engine.connect() as locker:
        locker.execute(text("LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"))
        execute(engine, "SELECT pg_logical_emit_message(true, '', '')")  # its commit sends the lock
        wait(lambda: locked(replicas.all[0].engine))
        execute(replicas.all[0].engine, "SELECT pg_wal_replay_pause()")
        locker.commit()
    began = time.monotonic()
    assert replicas.read(nearest) == right
    assert time.monotonic() - began < 3
    assert replicas.counted == {"primary": 1}


def locked(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(
            connection.scalar(
                text("SELECT count(*) FROM pg_locks WHERE relation = 'garment'::regclass")
            )
        )


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


def test_no_answer_mixes_two_models(replicas, engine, model_id, shelve):
    """The standby learns of a swap later than whoever asks, who names the model that embedded the query."""
    vectors = shelve("Tee", COUNT)
    new_id = register(engine, **NEW)
    make_generation(engine, new_id)
    embed(Reembedding(engine, new_id))
    for where in (engine, beside(engine, new_id)):
        build_indexes(where, threshold=50)
    queries = {
        model_id: {i: vectors[i] for i in range(0, COUNT, 10)},
        new_id: {i: as_new(f"Tee/0/{i:06}.jpg") for i in range(0, COUNT, 10)},
    }

    def found(model: int, i: int, one: Engine) -> list[tuple[int, float]]:
        matches, _ = similar(one, queries[model][i], labels=["Tee"], n=5, model_id=model)
        return [(match.id, round(match.similarity, 4)) for match in matches]

    truth = {(m, i): found(m, i, engine) for m, of in queries.items() for i in of}
    assert truth[model_id, 0] != truth[new_id, 0]
    caught_up(replicas, engine)
    stop, wrong = threading.Event(), []

    def ask(turn: int) -> None:
        rng = np.random.default_rng(turn)
        while not stop.is_set():
            case = tuple(rng.choice(list(truth)).tolist())
            if replicas.read(partial(found, *case)) != truth[case]:
                wrong.append(case)

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, turn) for turn in range(3)]
        try:
            for turn in range(8):
                swap(engine, Reembedding(engine, [new_id, model_id][turn % 2]))
                caught_up(replicas, engine)
        finally:
            stop.set()
        for thread in asking:
            thread.result(60)
    assert wrong == []
    assert replicas.counted["replica"] > 50
