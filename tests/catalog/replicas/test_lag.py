"""A standby that is behind, stands still or dies: who asks never waits for it, nor hears of it."""

from __future__ import annotations

import signal
import time

from service.catalog import (
    Replicas,
    is_empty,
    open_engine,
)

from ..samples import row
from .conftest import COUNT, LAG, caught_up, execute, load, on_standby, wait


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
