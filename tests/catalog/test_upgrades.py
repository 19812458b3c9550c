"""From every earlier revision to the newest and back, with garments in place and the old version at work.

`make soak` does it with 10,000 garments; FASHION_STUDIO_UPGRADE_GARMENTS sets any other number.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import numpy as np
import pytest
from pgvector import HalfVector
from sqlalchemy import Engine, text

from service.catalog import attach, migrate, open_engine, require_head, similar
from service.catalog.schema.migration import _scripts
from tests.conftest import _database

from .frozen import statements
from .samples import BUNDLE, embedding

GARMENTS = int(
    os.environ.get("FASHION_STUDIO_UPGRADE_GARMENTS")
    or ("10000" if "FASHION_STUDIO_SOAK" in os.environ else "400")
)
REVISIONS = sorted(script.revision for script in _scripts().walk_revisions())
EARLIER = REVISIONS[:-1]

LOCKED_SECONDS = 1.0
"""How long an upgrade may keep others from reading a table that has rows."""

WAIT_SECONDS = 3.0
"""How long a statement of the version before may take meanwhile."""

FILL = """
    COPY garment (image_path, label, label_source, confidence, predicted_label, content_sha256,
                  embedding, model_id) FROM STDIN (FORMAT BINARY)
"""
TYPES = ("text", "text", "text", "float4", "text", "bytea", "halfvec", "int4")

# Those that the version before writes meanwhile are Blazers
ROWS = """
    SELECT id, image_path, label, label_source, confidence, predicted_label, content_sha256,
           sha256(halfvec_send(embedding)), model_id, created_at
    FROM garment WHERE label <> 'Blazer' ORDER BY id
"""

PROJECT = """
    INSERT INTO projection (model_id, mean, components, fitted_to)
    SELECT id, :mean, :components, 0 FROM model WHERE serving
"""

LOCKS = """
    SELECT relname, pid, extract(epoch FROM clock_timestamp())::float8 AS now
    FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE mode = 'AccessExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND relname = ANY (:tables)
"""

FILES = """
    SELECT relname::text, relfilenode FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""


@pytest.fixture(scope="module")
def filled(administrator: Engine) -> Iterator[str]:
    """A database of revision 0001 with garments, to be cloned; its name."""
    databases = _database(administrator, "template1")
    engine = open_engine(next(databases))
    migrate(engine, EARLIER[0])
    model_id = attach(engine, **BUNDLE)
    rng = np.random.default_rng(1)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(FILL) as copy:
            copy.set_types(TYPES)
            for number in range(GARMENTS):
                label = ("Tee", "Dress")[number % 2]
                vector = HalfVector(rng.random(2048, dtype=np.float32))
                digest = number.to_bytes(32, "big")
                path = f"{number:06}.jpg"
                copy.write_row((path, label, "given", 0.5, label, digest, vector, model_id))
    name = engine.url.database
    engine.dispose()
    yield name
    next(databases, None)


@pytest.fixture
def old(request: pytest.FixtureRequest, administrator: Engine, filled: str) -> Iterator[Engine]:
    """A database of an earlier revision with its garments."""
    databases = _database(administrator, filled)
    engine = open_engine(next(databases))
    migrate(engine, request.param)
    if request.param >= "0003":  # Dresses have components, Tees do not yet
        half = statements("0003")["project"].replace("id = :garment_id", "label = 'Dress'")
        plainest = np.eye(2048, 128, dtype="<f2").tobytes()
        with engine.begin() as connection:
            connection.execute(text(PROJECT), {"mean": bytes(8192), "components": plainest})
            connection.execute(text(half))
    yield engine
    engine.dispose()
    next(databases, None)


class OldVersion:
    """The statements of a revision, again and again in their order, each its own transaction."""

    def __init__(self, engine: Engine, revision: str) -> None:
        self._engine = engine
        self._statements = statements(revision)
        self._numbers = count()
        with engine.connect() as connection:
            self._model_id = connection.scalar(text("SELECT id FROM model WHERE serving"))
        self.rounds = 0
        self.slowest = 0.0

    def round(self) -> None:
        path = f"old/{next(self._numbers)}.jpg"
        values = {
            "model_id": self._model_id, "path": path, "paths": [path], "digest": bytes(32),
            "embedding": HalfVector(embedding(1)), "query": HalfVector(embedding(2)),
            "label": "Tee", "exclude": [],
        }  # fmt: skip
        for said in self._statements.values():
            began = time.monotonic()
            with self._engine.begin() as connection:
                found = connection.execute(text(said), values)
                if found.returns_rows and (row := found.first()) is not None:
                    values |= {k: v for k, v in row._mapping.items() if k.endswith("_id")}
            self.slowest = max(self.slowest, time.monotonic() - began)
        self.rounds += 1

    def answers(self) -> list[list[tuple]]:
        """The garments nearest to some queries, with their similarities, best first."""
        with self._engine.connect() as connection:
            return [
                [
                    tuple(row)
                    for row in connection.execute(
                        text(self._statements["similar"]),
                        {"query": HalfVector(embedding(seed)), "label": label, "exclude": []},
                    )
                ]
                for seed in range(3)
                for label in ("Tee", "Dress")
            ]


def answers(engine: Engine) -> list[list[tuple]]:
    """The same of the version of now."""
    return [
        [
            (match.id, match.image_path, match.label, match.similarity)
            for match in similar(engine, embedding(seed), labels=[label], n=9)[0]
        ]
        for seed in range(3)
        for label in ("Tee", "Dress")
    ]


def rows(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(ROWS))]


def files(engine: Engine) -> dict[str, int]:
    """Each table's file; another one after it was rewritten."""
    with engine.connect() as connection:
        return dict(connection.execute(text(FILES)).all())


@contextmanager
def locks_watched(engine: Engine) -> Iterator[dict[str, float]]:
    """For how long tables of before were closed to readers at a time, seconds, at most."""
    longest: dict[str, float] = {}
    tables = list(files(engine))

    def look(done: threading.Event) -> None:
        since: dict[tuple[str, int], float] = {}
        with watched.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not done.wait(0.002):
                found = connection.execute(text(LOCKS), {"tables": tables}).all()
                since = {(r.relname, r.pid): since.get((r.relname, r.pid), r.now) for r in found}
                for row in found:
                    held = row.now - since[row.relname, row.pid]
                    longest[row.relname] = max(longest.get(row.relname, 0.0), held)

    watched = open_engine(engine.url.render_as_string(hide_password=False))
    with beside(look):
        yield longest
    watched.dispose()


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Let a thread work meanwhile, until its event is set; its errors are the test's."""
    done = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work(done)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("old", EARLIER, indirect=True)
def test_every_garment_and_answer_survives_with_the_old_version_at_work(
    old: Engine, request: pytest.FixtureRequest
) -> None:
    revision = request.node.callspec.params["old"]
    service = OldVersion(old, revision)
    service.round()
    kept, said, places = rows(old), service.answers(), files(old)
    assert len(kept) == GARMENTS

    def work(done: threading.Event) -> None:
        while not done.is_set():
            service.round()

    other = open_engine(old.url.render_as_string(hide_password=False))
    began = time.monotonic()
    with locks_watched(old) as locked, beside(work):
        migrate(other)
        took = time.monotonic() - began
    print(
        f"\n{revision}, {GARMENTS} garments: {took:.1f} s; closed to readers "
        f"{max(locked.values(), default=0) * 1e3:.0f} ms; slowest old statement "
        f"{service.slowest * 1e3:.0f} ms of {service.rounds} rounds",
        end="",
    )
    require_head(other)
    assert max(locked.values(), default=0) < LOCKED_SECONDS, locked
    assert service.slowest < WAIT_SECONDS
    assert files(other).items() >= places.items(), "a table was rewritten"
    assert rows(other) == kept
    assert answers(other) == said
    service.round()  # the old version goes on until it is replaced
    assert service.answers() == said

    with old.begin() as connection:  # what 0001 has no place for is told before it is lost
        connection.execute(text("DELETE FROM garment WHERE label = 'Blazer'"))
    migrate(other, revision)
    assert rows(other) == kept
    assert service.answers() == said
    service.round()
    migrate(other)
    assert answers(other) == said
    other.dispose()


def test_a_lock_that_is_held_is_noticed(engine: Engine) -> None:
    with locks_watched(engine) as locked, engine.begin() as connection:
        connection.execute(text("LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"))
        time.sleep(0.3)
    assert locked.keys() == {"garment"}
    assert locked["garment"] > 0.1


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_each_version_says_fits_its_own_schema(
    administrator: Engine, filled: str, revision: str
) -> None:
    """So that the statements which are kept here are such as could be said."""
    databases = _database(administrator, filled)
    engine = open_engine(next(databases))
    migrate(engine, revision)
    OldVersion(engine, revision).round()
    engine.dispose()
    next(databases, None)
