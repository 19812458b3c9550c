"""Engines for which `garment` is what another model than the serving one says of the garments."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import Connection, Engine, event, text

from service.catalog.database.engine import open_engine, reading

SCHEMA = text("SELECT current_schema() || '_model_' || CAST(:model_id AS integer)")
LIMITS = text("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")

_making = threading.Lock()
_beside: WeakKeyDictionary[Engine, dict[int, Engine]] = WeakKeyDictionary()


def generation_schema(connection: Connection, model_id: int) -> str:
    """The name of the schema for another model's garments, as seen from the catalog's own."""
    return str(connection.scalar(SCHEMA, {"model_id": model_id}))


def quoted(connection: Connection, name: str) -> str:
    """A name as it is written in a statement."""
    return str(connection.scalar(text("SELECT quote_ident(:name)"), {"name": name}))


def beside(engine: Engine, model_id: int) -> Engine:
    """An engine for which `garment` is what this model says of the garments.

    Made once for each engine and model. Where there is no such table, it sees the serving model's.
    """
    with _making:
        made = _beside.setdefault(engine, {})
        if model_id not in made:
            made[model_id] = _open_beside(engine, model_id)
        return made[model_id]


def _open_beside(engine: Engine, model_id: int) -> Engine:
    with reading(engine) as connection:
        schema = generation_schema(connection, model_id)
        home = quoted(connection, schema)
        limits = connection.execute(LIMITS).one()
    other = open_engine(engine.url.render_as_string(hide_password=False))
    other.update_execution_options(home=f"{home}.garment", model_id=model_id)

    def look_there_first(driver: psycopg.Connection, _record: object) -> None:
        driver.execute(
            "SELECT set_config('search_path', %s || ', ' || current_setting('search_path'), false),"
            " set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false)",
            [home, *limits],
        )
        driver.commit()

    event.listen(other, "connect", look_there_first)
    return other


def close_generations(engine: Engine) -> None:
    """Dispose of the engines that `beside` made."""
    for other in _beside.pop(engine, {}).values():
        other.dispose()
