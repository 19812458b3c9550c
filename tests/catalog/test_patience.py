"""Work that takes long, or waits, on a server that ends sessions and statements soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, make_url, text

from service.catalog import migrate, only_switcher, open_engine, tidy
from service.catalog.analysis.standing import begun
from service.errors import AnalysisRunning, SwitchRunning
from tests.catalog.waiting import wait_for_a_waiter

Hasty = Callable[[str], Engine]


@pytest.fixture
def hasty(database_url: str) -> Iterator[Hasty]:
    """An engine for whose sessions the server has such a setting."""
    with ExitStack() as opened:

        def hasty(setting: str) -> Engine:
            url = make_url(database_url).update_query_dict({"options": f"-c {setting}"})
            engine = open_engine(url.render_as_string(hide_password=False))
            opened.callback(engine.dispose)
            return engine

        yield hasty


def test_who_holds_a_lock_may_be_idle(engine: Engine, hasty: Hasty, model_id: int) -> None:
    other = hasty("idle_session_timeout=100ms")
    with only_switcher(other), begun(other, duplicate_similarity=0.95):
        time.sleep(0.5)
        with pytest.raises(SwitchRunning), only_switcher(engine):
            pass
        with pytest.raises(AnalysisRunning), begun(engine, duplicate_similarity=0.95):
            pass


def test_a_migration_takes_its_time(engine: Engine, hasty: Hasty) -> None:
    """It waits as long for a lock as it says, however soon the server ends statements."""
    migrate(engine, "0008")
    other = hasty("statement_timeout=300ms")
    with ThreadPoolExecutor(1) as pool, engine.connect() as busy:
        busy.execute(text("LOCK TABLE upload IN ACCESS SHARE MODE"))
        migrating = pool.submit(migrate, other)
        wait_for_a_waiter(engine)
        time.sleep(0.6)
        busy.rollback()
        migrating.result(30)


def test_tidying_takes_its_time(engine: Engine, hasty: Hasty) -> None:
    other = hasty("statement_timeout=300ms")
    with ThreadPoolExecutor(1) as pool, engine.connect() as busy:
        busy.execute(text("LOCK TABLE garment IN SHARE UPDATE EXCLUSIVE MODE"))
        tidying = pool.submit(tidy, other)
        wait_for_a_waiter(engine)
        time.sleep(0.6)
        busy.rollback()
        tidying.result(30)
