"""The builder of similarity indexes: what is due is built beside reads and writes, one at a time.

A build that is killed leaves an invalid index behind: no query uses it, and the next run drops it
and starts again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from service.catalog.database.patience import take_lock, unhurried_session
from service.catalog.database.rights import permitted
from service.catalog.similarity.projection import FIT_ROWS, project_catalog
from service.catalog.similarity.recall import forget_recall
from service.catalog.similarity.shelves import (
    LOCK,
    THRESHOLD,
    Due,
    Shelf,
    ef_construction,
    index_name,
    leftovers,
    shelves,
)
from service.errors import DatabaseUnavailable

PROGRESS_EVERY = 0.5  # seconds

CREATE = sql.SQL("""
    CREATE INDEX CONCURRENTLY {index} ON garment
    USING hnsw (components halfvec_l2_ops) WITH (m = 16, ef_construction = {effort})
    WHERE label = {label}
""")
RENAME = sql.SQL("ALTER INDEX {index} RENAME TO {name}")
DROP = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {index}")

# The search path may lead to a like-named index of another model's garments
SCHEMA = text(
    "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'garment'::regclass"
)

# A graph that does not fit is built many times slower. Never less than the server gives anyway.
MEMORY = text("""
    SELECT set_config('maintenance_work_mem', greatest(
               pg_size_bytes(current_setting('maintenance_work_mem')), :bytes)::text || 'B', false),
           set_config('max_parallel_maintenance_workers', greatest(
               current_setting('max_parallel_maintenance_workers')::int, 2)::text, false)
""")
BYTES_A_ROW = 2_000  # of the graph in memory: 264 of the components, the rest its neighbours
MOST_BYTES = 1_000_000_000

PROJECTING = "computing components"

STOP = text("SELECT pg_cancel_backend(:pid)")
PROGRESS = text("SELECT phase, tuples_done FROM pg_stat_progress_create_index WHERE pid = :pid")


@dataclass(frozen=True, slots=True)
class Building:
    """Where the builder is: a label's index, Postgres's own name of the phase, rows done of all."""

    label: str
    phase: str
    done: int
    total: int


Watcher = Callable[[Building], None]


def build_indexes(
    engine: Engine,
    *,
    threshold: int = THRESHOLD,
    rebuild: bool = False,
    progress: Watcher = lambda building: None,
) -> list[str]:
    """Build every index that is due, drop those that are not wanted; returns the labels built, whose
    recall was not measured yet: what is kept of an index goes with it.

    Before that, garments get the components that they lack (see `projection`).

    Searches and writes go on meanwhile. A second builder waits for the first one.
    rebuild: build the others anew as well; the old index answers until the new one is there.
    progress: called twice a second, from another thread.

    Raises `DatabaseUnavailable`, or `DatabaseUnfit` where the user does not own the table.
    """
    built = []
    with _only_builder(engine, progress) as connection:
        project_catalog(
            engine,
            fit_rows=min(FIT_ROWS, threshold),
            progress=lambda done, total: progress(Building("", PROJECTING, done, total)),
        )
        for shelf, todo in _turns(engine, threshold, rebuild):
            if todo != "rebuild":
                _drop(connection, shelf.index)
                forget_recall(connection, shelf.label)
            if todo == "drop":
                continue
            with _watched(engine, connection, shelf, progress):
                if todo == "rebuild":
                    _replace(connection, shelf)
                else:
                    _create(connection, shelf, shelf.index)
            built.append(shelf.label)
        # Last, because an earlier version of the service may still search by its own indexes
        for name in leftovers(engine, building=True):
            _drop(connection, name)
    return built


def _turns(engine: Engine, threshold: int, rebuild: bool) -> Iterator[tuple[Shelf, Due]]:
    """What is to be done, a label after the other, each as it is when its turn comes: while others were
    built another model may have taken over, and brought its indexes."""

    def todo(shelf: Shelf) -> Due | None:
        if rebuild and shelf.due is None and shelf.state == "valid":
            return "rebuild"
        return None if shelf.due == "update" else shelf.due

    look = partial(shelves, engine, threshold=threshold, building=True)
    for label in [shelf.label for shelf in look() if todo(shelf)]:
        for shelf in look():
            if shelf.label == label and (due := todo(shelf)) is not None:
                yield shelf, due


def drop_index(engine: Engine, label: str, *, progress: Watcher = lambda building: None) -> None:
    """Drop a label's index, where it has one, and forget its recall; its searches are exact from then on.

    progress: called while a builder is waited for; what it raises ends the waiting.
    """
    with _only_builder(engine, progress) as connection:
        _drop(connection, index_name(label))
        forget_recall(connection, label)


@contextmanager
def _only_builder(engine: Engine, progress: Watcher) -> Iterator[Connection]:
    """A session in autocommit that holds the builders' lock: a build takes its time, waits for writers, and
    is idle while components are computed."""
    with unhurried_session(engine) as connection:
        waits = Building("", "waiting for another builder", 0, 0)
        take_lock(connection, LOCK, lambda: progress(waits))
        with permitted("build indexes", "Let the table's owner run `fashion-studio index`."):
            yield connection


def _create(connection: Connection, shelf: Shelf, name: str) -> None:
    memory = min(BYTES_A_ROW * shelf.rows, MOST_BYTES)
    connection.execute(MEMORY, {"bytes": memory})
    index, label = sql.Identifier(name), sql.Literal(shelf.label)
    effort = sql.Literal(ef_construction(shelf.rows))
    _run(connection, CREATE.format(index=index, effort=effort, label=label))


def _replace(connection: Connection, shelf: Shelf) -> None:
    """Build a label's index anew under another name, then let it take the name of the one that is there,
    which answers until then. A rebuild by Postgres (`REINDEX`) would keep the parameters of its birth.
    """
    new, old = f"{shelf.index}_new", f"{shelf.index}_old"
    for name in (new, old):  # as one that was killed leaves them
        _drop(connection, name)
    _create(connection, shelf, new)
    with _driver(connection).transaction():  # renaming an index blocks neither reads nor writes
        for name, becomes in ((shelf.index, old), (new, shelf.index)):
            index = _qualified(connection, name)
            _run(connection, RENAME.format(index=index, name=sql.Identifier(becomes)))
        forget_recall(connection, shelf.label)
    _drop(connection, old)


def _qualified(connection: Connection, index: str) -> sql.Composed:
    schema = connection.scalar(SCHEMA)  # quoted where need be
    return sql.SQL("{}.{}").format(sql.SQL(schema), sql.Identifier(index))


def _drop(connection: Connection, index: str) -> None:
    _run(connection, DROP.format(index=_qualified(connection, index)))


def _run(connection: Connection, statement: sql.Composed) -> None:
    """Run a statement that takes no parameters: labels stand in it as literals."""
    # Without parameters, so that a % in a label is one
    connection.exec_driver_sql(
        statement.as_string(_driver(connection)), execution_options={"no_parameters": True}
    )


def _driver(connection: Connection) -> psycopg.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


@contextmanager
def _watched(
    engine: Engine, connection: Connection, shelf: Shelf, progress: Watcher
) -> Iterator[None]:
    """Tell `progress` how far the session's build is, as another session sees it; what it raises ends the
    build, whose half-made index the next run drops."""
    pid = connection.scalar(text("SELECT pg_backend_pid()"))
    done = threading.Event()
    raised: list[BaseException] = []

    def watch() -> None:
        with (
            suppress(DatabaseUnavailable),  # the builder says it
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watching,
        ):
            while not done.wait(PROGRESS_EVERY):
                for phase, rows in watching.execute(PROGRESS, {"pid": pid}).all():
                    try:
                        progress(Building(shelf.label, phase, rows, shelf.rows))
                    except BaseException as error:
                        raised.append(error)
                        watching.execute(STOP, {"pid": pid})
                        return

    progress(Building(shelf.label, "starting", 0, shelf.rows))
    thread = threading.Thread(target=watch, name="index-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if raised:
            raise raised[0]
    progress(Building(shelf.label, "done", shelf.rows, shelf.rows))
