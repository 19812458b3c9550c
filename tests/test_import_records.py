"""What becomes of an import's record: closed, taken up, given up, and why."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from service.catalog import (
    GarmentChanged,
    Loader,
    Run,
    cancel_import,
    get_import,
    sweep_imports,
)
from service.errors import DatabaseUnavailable, ImportCancelled, ImportLost
from service.extent import Gone
from service.ingest import ingest
from service.intake import Options, take_in
from service.jobs import request_import
from service.jobs.tasks import MOST_ATTEMPTS
from service.jobs.worker import _work
from service.sources import Item, read_source
from service.studio import Studio
from service.summary import Summary
from tests.test_jobs import PHOTOS, garments, jobs, source, studio
from tests.test_worker import in_thread

__all__ = ["source", "studio"]


def test_a_killed_ingest_is_swept(studio: Studio, source: Path) -> None:
    run = Run.start(studio.engine, source=str(source), labels="given")
    assert sweep_imports(studio.engine) == []
    with studio.engine.begin() as connection:
        connection.execute(text("UPDATE import_run SET heartbeat_at = now() - interval '2 min'"))
    assert sweep_imports(studio.engine) == [run.id]
    assert get_import(studio.engine, run.id).state == "interrupted"
    with pytest.raises(ImportLost):
        run.beat(now=True)


def test_only_the_newest_attempt_writes(studio: Studio, drawn: Path) -> None:
    run = Run.start(studio.engine, source=str(drawn), labels="given")
    taken = Run.take_up(studio.engine, run.id)
    assert taken is not None
    with pytest.raises(ImportLost):
        run.beat(now=True)
    taken.beat(now=True)


def test_an_ingest_of_the_command_line_can_be_cancelled(studio: Studio, source: Path) -> None:
    with pytest.raises(ImportCancelled):
        ingest(studio, source, batch_size=100, progress=lambda summary: cancel(studio))
    with studio.engine.connect() as connection:
        row = connection.execute(text("SELECT state, seen FROM import_run")).one()
    assert row.state == "cancelled"
    assert row.seen == garments(studio.engine) == 100


def cancel(studio: Studio) -> None:
    with studio.engine.begin() as connection:
        run_id = connection.scalar(text("SELECT max(id) FROM import_run"))
    cancel_import(studio.engine, run_id)


def test_a_source_that_changed_meanwhile_is_begun_anew(studio: Studio, source: Path) -> None:
    def items() -> Iterator[Item]:
        return read_source(source)

    def stop(_: Summary) -> None:
        raise KeyboardInterrupt

    run = Run.start(studio.engine, source=str(source), labels="predicted")
    options = Options(labels="predicted", batch_size=100)
    gone = Gone(studio.engine, studio.images, source)
    with pytest.raises(KeyboardInterrupt):
        take_in(studio, items, options, gone=gone, run=run, progress=stop)
    assert get_import(studio.engine, run.id).seen == 100
    min(source.iterdir()).unlink()
    taken = Run.take_up(studio.engine, run.id)
    assert taken is not None
    take_in(studio, items, options, gone=gone, run=taken)
    found = get_import(studio.engine, run.id)
    left = PHOTOS - 1
    assert (found.seen, found.added, found.unchanged, found.total) == (left, left - 99, 99, left)


def test_an_import_whose_job_failed_for_want_of_a_database_is_closed(
    studio: Studio, source: Path
) -> None:
    run = request_import(studio, str(source), "predicted")
    assert Run.take_up(studio.engine, run.id) is not None
    with studio.engine.begin() as connection:
        connection.execute(text("UPDATE import_run SET heartbeat_at = now() - interval '2 min'"))
    assert sweep_imports(studio.engine) == []  # the job will go on with it
    with studio.engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))
    assert sweep_imports(studio.engine) == [run.id]
    assert get_import(studio.engine, run.id).state == "failed"


def test_an_import_whose_job_never_reached_the_database_is_closed(
    studio: Studio, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = request_import(studio, str(source), "predicted")
    with studio.engine.begin() as connection:
        connection.execute(
            text("UPDATE procrastinate_jobs SET attempts = :n"), {"n": MOST_ATTEMPTS - 1}
        )

    def away(*_: object) -> None:
        raise DatabaseUnavailable("There are too many clients.")

    monkeypatch.setattr(Run, "take_up", away)
    assert sweep_imports(studio.engine) == []  # its job waits
    in_thread(_work, studio, threading.Event(), once=True, parent=None)
    assert jobs(studio.engine) == [("import_photos", "failed")]
    assert sweep_imports(studio.engine) == [run.id]
    closed = get_import(studio.engine, run.id)
    assert (closed.state, closed.error) == ("failed", "The database went away too often.")


def test_an_import_that_gives_way_says_why(
    studio: Studio, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> None:
        raise GarmentChanged

    monkeypatch.setattr(Loader, "write", write)
    with pytest.raises(ImportLost, match="keeps moving the same garments"):
        ingest(studio, source, batch_size=100)
    with studio.engine.connect() as connection:
        row = connection.execute(text("SELECT state, error FROM import_run")).one()
    assert row.state == "failed"
    assert "keeps moving the same garments" in row.error


def test_an_import_that_was_cancelled_is_not_put_back(studio: Studio) -> None:
    run = Run.start(studio.engine, source="photos", labels="given")
    cancel_import(studio.engine, run.id)
    run.put_back()
    assert get_import(studio.engine, run.id).state == "cancelled"
