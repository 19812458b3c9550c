"""What a standby answers, and what the primary is asked for instead."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service.catalog import (
    Reembedding,
    beside,
    build_indexes,
    garment_by_id,
    is_empty,
    make_generation,
    register,
    similar,
    swap,
)
from service.errors import GarmentNotFound, LabelUnknown

from ..generations.conftest import NEW, as_new, embed
from .conftest import COUNT, caught_up, execute, nearest, on_standby, wait


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
