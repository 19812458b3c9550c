"""The record of a switch to another model: asked for, under way, over.

Whoever works on it holds the lock of `patience.only_switcher`; the newest attempt alone writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from sqlalchemy import Connection, Engine, text

from service.catalog.imports.runs import SILENCE
from service.errors import SwitchCancelled, SwitchRunning

State = Literal["queued", "running", "done", "refused", "failed", "cancelled", "interrupted"]

OPEN = text("SELECT id FROM model_switch WHERE finished_at IS NULL")

CLOSE_SILENT = text("""
    UPDATE model_switch SET state = 'interrupted', finished_at = heartbeat_at
    WHERE finished_at IS NULL AND state = 'running'
""")

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

REPORT = text("UPDATE model_switch SET report = CAST(:report AS jsonb) WHERE id = :id")

PUT_BACK = text("""
    UPDATE model_switch SET state = 'queued' WHERE id = :id AND attempt = :attempt AND state = 'running'
""")

GIVE_UP = text("""
    UPDATE model_switch SET state = 'failed', finished_at = now(), error = :error
    WHERE id = :id AND finished_at IS NULL
""")

CANCEL = text("""
    UPDATE model_switch
    SET cancel_requested = true,
        state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
        finished_at = CASE state WHEN 'queued' THEN now() END
    WHERE finished_at IS NULL
""")

LAST = """
    SELECT switch.id, model_id, name || '@' || version AS model, state, stage, options, started_at,
           heartbeat_at, finished_at, total, done, report, error, cancel_requested,
           extract(epoch FROM now() - heartbeat_at)::float8 AS silent_seconds
    FROM model_switch AS switch JOIN model ON model.id = model_id
"""


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """A switch as stored. done, total: garments embedded, of those there were to embed.

    options: what it was asked to do. report: how the models compare, once measured.
    """

    id: int
    model_id: int
    model: str
    state: State
    stage: str
    options: dict[str, Any]
    started_at: datetime
    heartbeat_at: datetime
    finished_at: datetime | None
    total: int
    done: int
    report: dict[str, Any] | None
    error: str | None
    cancel_requested: bool
    silent_seconds: float

    def as_line(self) -> str:
        """What is going on, for people."""
        if self.state == "queued":
            return f"The switch to {self.model} waits for a worker."
        said = f"The switch to {self.model} is {self.stage}: {self.done} of {self.total}"
        if self.silent_seconds > SILENCE:
            said += (
                f", and was last heard of {self.silent_seconds:.0f} s ago. "
                "`fashion-studio models use` goes on with it"
            )
        return said + "."

    def as_dict(self) -> dict[str, Any]:
        times = (self.started_at, self.finished_at)
        started, finished = (time.isoformat() if time else None for time in times)
        return {
            "id": self.id,
            "model": self.model,
            "state": self.state,
            "stage": self.stage,
            "done": self.done,
            "total": self.total,
            "started_at": started,
            "finished_at": finished,
            "report": self.report,
            "error": self.error,
        }


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


def last_switch(engine: Engine, *, model_id: int | None = None) -> SwitchRecord | None:
    """The newest switch, or the newest to this model."""
    where = "" if model_id is None else "WHERE model_id = :model_id"
    with engine.connect() as connection:
        row = connection.execute(
            text(LAST + where + " ORDER BY switch.id DESC LIMIT 1"),
            {} if model_id is None else {"model_id": model_id},
        ).one_or_none()
    return None if row is None else SwitchRecord(**row._mapping)


def open_switch(engine: Engine) -> SwitchRecord | None:
    """The switch that waits or runs."""
    found = last_switch(engine)
    return found if found is not None and found.finished_at is None else None


def cancel_switch(engine: Engine) -> bool:
    """Ask the switch that waits or runs to stop; whether there was one."""
    with engine.begin() as connection:
        return connection.execute(CANCEL).rowcount > 0


def give_up_switch(engine: Engine, switch_id: int, error: str) -> None:
    """Close one that failed too often."""
    with engine.begin() as connection:
        connection.execute(GIVE_UP, {"id": switch_id, "error": error})


def _open(connection: Connection, model_id: int, state: State, options: dict[str, Any]) -> int:
    if connection.scalar(OPEN) is not None:
        raise SwitchRunning()
    values = {"model_id": model_id, "state": state, "options": json.dumps(options)}
    return int(connection.execute(START, values).scalar_one())
