"""A pooler before the database: one that shares sessions out is refused, of others locks hold."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text

from service.catalog import build_indexes, migrate, only_switcher, open_engine, snapshot
from service.catalog.analysis.standing import begun
from service.catalog.database import pooler as trial
from service.catalog.database.pooler import require_session
from service.errors import AnalysisRunning, DatabaseUnavailable, DatabaseUnfit, SwitchRunning

from ..clusters import clusters
from ..poolers import PgBouncer, pgbouncer

REFUSED = "gives each transaction another session"


@pytest.fixture
def pooler(database_url: str) -> Iterator[PgBouncer]:
    with pgbouncer(database_url) as pooler:
        yield pooler


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""))


def accepted(url: str, another: str | None = None) -> bool:
    with connect(url) as driver:
        try:
            require_session(driver, make_url(another or url))
        except DatabaseUnfit:
            return False
    return True


@contextmanager
def used(url: str, clients: int) -> Iterator[None]:
    """Other programs have the pooler's sessions, again and again."""
    over = threading.Event()

    def use() -> None:
        with connect(url) as connection:
            while not over.is_set():
                connection.execute("SELECT pg_sleep(0.001)", prepare=False)
                connection.commit()

    threads = [threading.Thread(target=use) for _ in range(clients)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("clients", [0, 6])
def test_shared_sessions_are_told_from_others_whatever_the_load(
    pooler: PgBouncer, clients: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "HEAR_SECONDS", 0.5)
    with used(pooler.shop, clients):
        assert Counter(accepted(pooler.shop) for _ in range(20)) == {False: 20}
    with used(pooler.studio, clients):
        assert Counter(accepted(pooler.studio) for _ in range(20)) == {True: 20}


def test_a_second_process_at_the_same_address_hides_nothing(
    pooler: PgBouncer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two connections of a trial then have no session in common, so that neither misses its own."""
    monkeypatch.setattr(trial, "HEAR_SECONDS", 0.5)
    with pgbouncer(database_url) as other:
        assert not accepted(pooler.shop, other.shop)
        assert accepted(pooler.studio, other.studio)


def test_sessions_that_are_lent_for_a_statement_are_refused_in_the_same_words(
    pooler: PgBouncer,
) -> None:
    pooler.pool("statement")
    engine = open_engine(pooler.studio)
    with pytest.raises(DatabaseUnfit, match=REFUSED):
        engine.connect()
    engine.dispose()


def test_a_refusal_leaves_neither_limits_nor_locks_at_the_pooler(
    pooler: PgBouncer, engine: Engine
) -> None:
    refused = open_engine(pooler.shop, statement_seconds=7)
    with pytest.raises(DatabaseUnfit, match=REFUSED) as raised:
        refused.connect()
    refused.dispose()
    assert f"127.0.0.1:{pooler.port}" in str(raised.value)
    with connect(pooler.shop) as shop:
        assert shop.execute("SHOW statement_timeout").fetchone() == ("0",)
    with engine.connect() as connection:
        locks = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert connection.scalar(locks) == 0


def analysing(engine: Engine) -> AbstractContextManager[Any]:
    return begun(engine, duplicate_similarity=0.95)


@pytest.mark.parametrize(
    "work",
    [
        lambda engine: only_switcher(engine).__enter__(),
        lambda engine: analysing(engine).__enter__(),
        build_indexes,
        migrate,
        lambda engine: snapshot(engine).__enter__(),
    ],
    ids=["switch", "analysis", "indexes", "migration", "backup"],
)
def test_no_lock_is_taken_once_the_pooler_shares_its_sessions(
    pooler: PgBouncer, work: Callable[[Engine], object]
) -> None:
    """They were its own when the process began."""
    engine = open_engine(pooler.studio)
    engine.connect().close()
    pooler.pool("transaction")
    with pytest.raises(DatabaseUnfit, match=REFUSED):
        work(engine)
    engine.dispose()


def test_locks_keep_others_out_and_go_with_their_holder(pooler: PgBouncer) -> None:
    first, second = open_engine(pooler.studio), open_engine(pooler.studio)
    with only_switcher(first), analysing(first):
        with pytest.raises(SwitchRunning), only_switcher(second):
            pass
        with pytest.raises(AnalysisRunning), analysing(second):
            pass
    with only_switcher(second), analysing(second):
        pass
    first.dispose()
    second.dispose()


def test_time_limits_hold_and_end_with_the_connection(pooler: PgBouncer) -> None:
    pooler.pool("session", sessions=2)  # so that the next one gets the same sessions
    limited = open_engine(pooler.studio, statement_seconds=7)
    limit = text("SHOW statement_timeout")
    with limited.connect() as connection:
        assert connection.scalar(limit) == "7s"
        connection.commit()
        assert connection.scalar(limit) == "7s"
    limited.dispose()
    other = open_engine(pooler.studio)
    with other.connect() as connection:
        assert connection.scalar(limit) == "0"
    other.dispose()


def test_a_pooler_without_a_free_session_is_said_to_be_away(pooler: PgBouncer) -> None:
    pooler.pool("session", sessions=1)
    engine = open_engine(pooler.studio)
    with pytest.raises(DatabaseUnavailable, match="query_wait_timeout"):
        engine.connect()
    engine.dispose()


def test_a_standby_behind_a_pooler_is_to_be_named_itself(server_url: str) -> None:
    with clusters("primary", "standby") as (primary, standby):
        primary.create()
        primary.start()
        standby.follow(primary)
        standby.start()
        with pgbouncer(standby.url()) as pooler:
            engine = open_engine(pooler.studio)
            with pytest.raises(DatabaseUnavailable, match="Name the standby itself"):
                engine.connect()
            engine.dispose()
