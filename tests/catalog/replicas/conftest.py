"""A primary and its standby, both real servers that a test may kill."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service.catalog import (
    Replicas,
    open_engine,
    similar,
)

from ...clusters import Cluster, clusters, copies

COUNT, LAG = 150, 4.0


@pytest.fixture(scope="session")
def made(server_url: str) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary with an empty catalog, and a standby as pg_basebackup makes it; both stopped."""
    with clusters("primary", "standby") as (primary, standby):
        primary.create_catalog()
        standby.follow(primary)
        primary.stop()
        yield primary, standby


@pytest.fixture
def servers(made: tuple[Cluster, Cluster]) -> Iterator[tuple[Cluster, Cluster]]:
    """Copies of both for a test to kill."""
    with copies(*made) as servers:
        yield servers


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
