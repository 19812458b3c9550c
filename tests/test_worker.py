"""A worker whose database goes away, without processes of its own: see test_jobs.py for those."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Thread

import pytest
from procrastinate.exceptions import ConnectorException

from service.errors import DatabaseUnavailable
from service.jobs import worker
from service.settings import Settings
from service.studio import Studio


def in_thread(work: Callable[..., None], *given: object, **named: object) -> None:
    """There is a browser's loop in the main one. It is left behind where it does not end."""
    ended: Future[None] = Future()

    def run() -> None:
        try:
            ended.set_result(work(*given, **named))
        except BaseException as error:
            ended.set_exception(error)

    Thread(target=run, daemon=True).start()
    ended.result(60)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The queue's database is away whenever a worker looks; how often it did."""
    looks: list[object] = []

    async def session(*how: object) -> None:
        looks.append(how)
        raise ConnectorException("connection refused")

    monkeypatch.setattr(worker, "_session", session)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("os.nice", lambda _: 0)
    return looks


def test_a_worker_that_is_told_to_stop_before_it_has_begun_stops(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the one beside a server is, where that stops at once."""
    monkeypatch.setattr(worker, "_end_at_last", lambda: None)  # it would end the tests
    told = Event()
    told.set()
    in_thread(worker._work, studio, told, once=False, parent=None)


def test_jobs_that_were_not_done_are_no_success(
    settings: Settings, studio: Studio, away: list[object]
) -> None:
    with pytest.raises(DatabaseUnavailable, match="queue's database went away: connection refused"):
        in_thread(worker.run_worker, settings, once=True)
    assert len(away) == 1


@pytest.mark.parametrize("parent", [None, 0])
def test_what_the_database_is_warned_of_is_logged_unless_a_server_has_said_it(
    settings: Settings,
    studio: Studio,
    away: list[object],
    parent: int | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("service.studio.check_server", lambda engine: ["pgvector is old."])
    monkeypatch.setattr("os.getppid", lambda: 0)
    with pytest.raises(DatabaseUnavailable):
        in_thread(worker.run_worker, settings, once=True, parent=parent)
    assert caplog.messages.count("pgvector is old.") == (parent is None)


def test_a_companion_waits_no_longer_than_its_server_lives(
    settings: Settings, studio: Studio, away: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getppid", lambda: 1 if away else 0)
    in_thread(worker.run_worker, settings, parent=0)
    assert len(away) == 1
