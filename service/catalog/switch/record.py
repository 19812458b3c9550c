"""The record of a switch to another model: asked for, under way, over.

Whoever works on it holds the lock of `patience.only_switcher`; the newest attempt alone writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Engine, text

from service.catalog.database.patience import only_switcher
from service.catalog.imports.runs import SILENCE
from service.errors import SwitchRunning

State = Literal["queued", "running", "done", "refused", "failed", "cancelled", "interrupted"]

CLOSE_SILENT = text("""
    UPDATE model_switch SET state = 'interrupted', finished_at = heartbeat_at
    WHERE finished_at IS NULL AND state = 'running'
""")

GIVE_UP = text("""
    UPDATE model_switch SET state = 'failed', finished_at = now(), error = :error
    WHERE id = :id AND finished_at IS NULL AND state = ANY (:states)
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
    """Ask the switch that waits or runs to stop; whether there was one.

    One whose process was killed is closed, as there is nobody to ask.
    """
    with engine.begin() as connection:
        asked = connection.execute(CANCEL).rowcount > 0
    if asked:
        with suppress(SwitchRunning), only_switcher(engine):
            close_silent(engine)
    return asked


def close_silent(engine: Engine) -> None:
    """Close the switch that a killed process left open; call it within `only_switcher`."""
    with engine.begin() as connection:
        connection.execute(CLOSE_SILENT)


def give_up_switch(
    engine: Engine,
    switch_id: int,
    error: str,
    states: Sequence[State] = ("queued", "running"),
) -> None:
    """Close one that failed too often, if it is in one of these states."""
    with engine.begin() as connection:
        connection.execute(GIVE_UP, {"id": switch_id, "error": error, "states": list(states)})
