"""A switch to another model, as whoever works on it holds it: begun, beaten, closed.

Whoever works on it holds the lock of `patience.only_switcher`; the newest attempt alone writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text

from service.catalog.switch.record import CLOSE_SILENT, LAST, State, SwitchRecord
from service.errors import SwitchCancelled, SwitchRunning

OPEN = text("SELECT id FROM model_switch WHERE finished_at IS NULL")

START = text("""
    INSERT INTO model_switch (model_id, state, options)
    VALUES (:model_id, :state, CAST(:options AS jsonb)) RETURNING id
""")

TAKE_UP = text("""
    UPDATE model_switch SET state = 'running', attempt = attempt + 1, heartbeat_at = now()
    WHERE id = :id AND finished_at IS NULL
    RETURNING id, model_id, options, attempt
""")

BEAT = text("""
    UPDATE model_switch
    SET heartbeat_at = now(), stage = :stage, done = :done, total = :total
    WHERE id = :id AND attempt = :attempt AND state = 'running'
    RETURNING cancel_requested
""")

FINISH = text("""
    UPDATE model_switch
    SET state = :state, finished_at = now(), error = :error, heartbeat_at = now()
    WHERE id = :id AND attempt = :attempt AND state = 'running'
""")

CONCLUDE = text("""
    UPDATE model_switch SET state = 'done', finished_at = now(), heartbeat_at = now()
    WHERE id = :id AND attempt = :attempt AND state = 'running' AND NOT cancel_requested
""")

REPORT = text("UPDATE model_switch SET report = CAST(:report AS jsonb) WHERE id = :id")

PUT_BACK = text("""
    UPDATE model_switch SET state = 'queued' WHERE id = :id AND attempt = :attempt AND state = 'running'
""")


@dataclass(slots=True)
class Switch:
    """A switch under way, as whoever works on it holds it."""

    id: int
    engine: Engine
    model_id: int
    options: dict[str, Any]
    attempt: int

    @classmethod
    def take_up(cls, engine: Engine, switch_id: int) -> Switch | None:
        """Begin one that waits, or go on with one whose process died; None where it is over."""
        with engine.begin() as connection:
            row = connection.execute(TAKE_UP, {"id": switch_id}).one_or_none()
        return None if row is None else cls(row.id, engine, row.model_id, row.options, row.attempt)

    def beat(self, stage: str, done: int, total: int) -> None:
        """Say how far it is. Raises `SwitchCancelled`, also where another process took it up."""
        values = {"stage": stage, "done": done, "total": total}
        if self._execute(BEAT, **values) is not False:
            raise SwitchCancelled()

    def finish(self, state: State, error: str | None = None) -> None:
        """Close the record. error: why, in one line, where it was refused or failed."""
        self._execute(FINISH, state=state, error=error)

    def conclude(self, connection: Connection) -> None:
        """Close the record in the transaction of the swap: both happen, or neither, also where the process
        is killed. Raises `SwitchCancelled` as `beat`."""
        if not connection.execute(CONCLUDE, {"id": self.id, "attempt": self.attempt}).rowcount:
            raise SwitchCancelled()

    def keep_report(self, report: dict[str, Any]) -> None:
        self._execute(REPORT, report=json.dumps(report))

    def put_back(self) -> None:
        """Let another worker go on with it."""
        self._execute(PUT_BACK)

    def _execute(self, statement: Any, **values: Any) -> Any:
        with self.engine.begin() as connection:
            found = connection.execute(statement, {"id": self.id, "attempt": self.attempt} | values)
            return found.scalar_one_or_none() if found.returns_rows else None


def start_switch(engine: Engine, model_id: int, options: dict[str, Any]) -> Switch:
    """Open the record of a switch that begins now; call it within `only_switcher`.

    Those that a killed process left open are closed, as no one can be at work on them.
    Raises `SwitchRunning` where one waits for a worker.
    """
    with engine.begin() as connection:
        connection.execute(CLOSE_SILENT)
        switch_id = _open(connection, model_id, "running", options)
    switch = Switch.take_up(engine, switch_id)
    assert switch is not None
    return switch


def queue_switch(
    engine: Engine,
    model_id: int,
    options: dict[str, Any],
    enqueue: Callable[[psycopg.Connection, int], None],
) -> SwitchRecord:
    """Record a switch that waits for a worker; call it within `only_switcher`.

    enqueue: as of `queue_import`. Raises `SwitchRunning` where another one waits.
    """
    with engine.begin() as connection:
        connection.execute(CLOSE_SILENT)
        switch_id = _open(connection, model_id, "queued", options)
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        enqueue(driver, switch_id)
        row = connection.execute(text(LAST + "WHERE switch.id = :id"), {"id": switch_id}).one()
        return SwitchRecord(**row._mapping)


def _open(connection: Connection, model_id: int, state: State, options: dict[str, Any]) -> int:
    if connection.scalar(OPEN) is not None:
        raise SwitchRunning()
    values = {"model_id": model_id, "state": state, "options": json.dumps(options)}
    return int(connection.execute(START, values).scalar_one())
