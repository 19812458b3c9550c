"""Background work by real worker processes: done, killed, taken up, cancelled, given up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service.catalog import (
    Run,
    build_indexes,
    cancel_import,
    get_import,
    kept_recall,
    queue_state,
    sweep_imports,
)
from service.errors import ImportCancelled, ImportLost
from service.extent import Gone
from service.ingest import ingest
from service.intake import Options, take_in
from service.jobs import STALLED_SECONDS, request_import
from service.jobs.tasks import MOST_ATTEMPTS, index_garments
from service.jobs.worker import _work
from service.settings import Settings
from service.sources import Item, read_source
from service.studio import Studio
from service.summary import Summary

COMMAND = [sys.executable, "-m", "service.cli", "worker"]
COPIES = 12
PHOTOS = 33 * COPIES  # one batch and a half: a worker can be stopped behind the first one


@pytest.fixture
def source(drawn: Path, tmp_path: Path) -> Path:
    """A folder of `PHOTOS` photos: some seconds of work."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COPIES):
        for photo in drawn.glob("images/*.jpg"):
            shutil.copy(photo, folder / f"{number}-{photo.name}")
    return folder


@pytest.fixture
def studio(settings: Settings, source: Path) -> Iterator[Studio]:
    """A studio whose imports may read the source."""
    with Studio(settings.model_copy(update={"import_roots": (source.parent,)})) as studio:
        yield studio


@pytest.fixture
def environment(
    environment: dict[str, str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.setenv("FASHION_STUDIO_IMPORT_ROOTS", str(source.parent))
    return environment


@pytest.fixture
def start() -> Iterator:
    """Starts workers, and kills those that still run at the end."""
    workers: list[subprocess.Popen] = []

    def start(*options: str) -> subprocess.Popen:
        workers.append(subprocess.Popen([*COMMAND, *options]))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()
        worker.wait()


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def let_time_pass(engine: Engine, seconds: float) -> None:
    """For the queue: the workers that there are have not been heard of for so much longer."""
    query = "UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - make_interval(secs => :s)"
    with engine.begin() as connection:
        assert connection.execute(text(query), {"s": seconds}).rowcount


def garments(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM garment"))


def jobs(engine: Engine) -> list[tuple]:
    query = "SELECT task_name, status::text FROM procrastinate_jobs WHERE NOT args ? 'timestamp'"
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query + " ORDER BY id"))]


@pytest.mark.usefixtures("environment")
def test_an_import_is_done_by_a_worker_and_recorded(studio: Studio, source: Path, start) -> None:
    (source / "broken.jpg").write_bytes(b"no photo")
    run = request_import(studio, str(source), "predicted")
    assert (run.state, run.seen, run.total) == ("queued", 0, None)
    worker = start("--once")
    assert worker.wait(60) == 0
    run = get_import(studio.engine, run.id)
    assert (run.state, run.seen, run.total) == ("done", PHOTOS + 1, PHOTOS + 1)
    assert (run.added, run.rejected) == (PHOTOS, 1)
    assert garments(studio.engine) == PHOTOS
    assert [Path(reject["image_path"]).name for reject in run.rejects] == ["broken.jpg"]
    assert jobs(studio.engine) == [("import_photos", "succeeded"), ("index_garments", "succeeded")]


@pytest.mark.usefixtures("environment")
def test_an_import_whose_worker_is_killed_is_taken_up_where_it_was(
    studio: Studio, source: Path, start
) -> None:
    run = request_import(studio, str(source), "predicted")
    killed = start()
    wait_for(lambda: get_import(studio.engine, run.id).seen > 0)
    killed.kill()
    killed.wait()
    half = get_import(studio.engine, run.id)
    assert half.state == "running"
    assert half.seen == garments(studio.engine) < PHOTOS
    let_time_pass(studio.engine, STALLED_SECONDS)
    start()
    wait_for(lambda: get_import(studio.engine, run.id).state == "done")
    whole = get_import(studio.engine, run.id)
    assert (whole.seen, whole.added, whole.unchanged, whole.total) == (PHOTOS, PHOTOS, 0, PHOTOS)
    assert garments(studio.engine) == PHOTOS
    wait_for(lambda: jobs(studio.engine)[0] == ("import_photos", "succeeded"))


@pytest.mark.usefixtures("environment")
def test_a_worker_that_is_told_to_stop_hands_its_import_over(
    studio: Studio, source: Path, start
) -> None:
    run = request_import(studio, str(source), "predicted")
    stopped = start()
    wait_for(lambda: get_import(studio.engine, run.id).state == "running")
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait(30) == 0
    assert get_import(studio.engine, run.id).state == "queued"
    assert start("--once").wait(60) == 0
    run = get_import(studio.engine, run.id)
    assert (run.state, run.seen, run.added) == ("done", PHOTOS, PHOTOS)


@pytest.mark.usefixtures("environment")
def test_an_import_can_be_cancelled_before_and_while_it_runs(
    studio: Studio, source: Path, start
) -> None:
    early = request_import(studio, str(source), "predicted")
    assert cancel_import(studio.engine, early.id).state == "cancelled"
    late = request_import(studio, str(source), "predicted")
    start()
    wait_for(lambda: get_import(studio.engine, late.id).state == "running")
    assert cancel_import(studio.engine, late.id).cancel_requested
    wait_for(lambda: get_import(studio.engine, late.id).state == "cancelled")
    assert get_import(studio.engine, early.id).seen == 0
    assert get_import(studio.engine, late.id).seen == garments(studio.engine) < PHOTOS


@pytest.mark.usefixtures("environment")
def test_a_job_that_never_ends_is_given_up(studio: Studio, source: Path, start) -> None:
    run = request_import(studio, str(source), "predicted")
    with studio.engine.begin() as connection:  # as the last of many killed workers leaves it
        connection.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', attempts = :n"),
            {"n": MOST_ATTEMPTS - 1},
        )
    assert start("--once").wait(60) == 0
    run = get_import(studio.engine, run.id)
    assert run.state == "failed"
    assert "died" in str(run.error)
    assert jobs(studio.engine) == [("import_photos", "failed")]


@pytest.mark.usefixtures("environment")
def test_indexes_are_built_and_their_recall_is_kept(studio: Studio, start) -> None:
    with studio.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO garment (model_id, confidence, label, predicted_label, label_source,"
                " image_path, content_sha256, embedding) SELECT :model, 1, 'Tee', 'Tee', 'given',"
                " n::text, decode(repeat('ab', 32), 'hex'),"
                " (SELECT array_agg(random()) FROM generate_series(1, 2048 + n * 0))::vector(2048)"
                "::halfvec(2048) FROM generate_series(1, 1100) AS n"
            ),
            {"model": studio.model_id},
        )
    with studio.engine.begin() as connection:
        index_garments.configure(connection=connection.connection.driver_connection).defer()
    assert start("--once").wait(120) == 0
    (recall,) = kept_recall(studio.engine)
    assert recall.label == "Tee"
    assert 0 < recall.recall <= 1
    assert build_indexes(studio.engine) == []


def test_a_worker_that_was_suspended_goes_on_with_its_job(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a sleep of the machine its own beats are old, too."""
    found = []

    def build(engine: Engine) -> list[str]:
        let_time_pass(engine, STALLED_SECONDS)
        time.sleep(1)
        with engine.connect() as connection:
            query = "SELECT status::text, attempts FROM procrastinate_jobs ORDER BY id LIMIT 1"
            found.append(tuple(connection.execute(text(query)).one()))
        return []

    monkeypatch.setattr("service.jobs.tasks.build_indexes", build)
    monkeypatch.setattr("service.jobs.worker.BEAT_SECONDS", 60.0)
    monkeypatch.setattr("service.jobs.worker.ROUND_SECONDS", 0.1)
    with studio.engine.begin() as connection:
        index_garments.configure(connection=connection.connection.driver_connection).defer()
    _work(studio, threading.Event(), once=True, parent=None)
    assert found[0] == ("doing", 0)
    assert jobs(studio.engine) == [("index_garments", "succeeded")]


@pytest.mark.usefixtures("environment")
def test_a_worker_is_counted_while_it_lives(studio: Studio, start) -> None:
    assert queue_state(studio.engine, silence=STALLED_SECONDS).workers == 0
    worker = start()
    wait_for(lambda: queue_state(studio.engine, silence=STALLED_SECONDS).workers == 1)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(30) == 0
    assert queue_state(studio.engine, silence=STALLED_SECONDS).workers == 0


@pytest.mark.usefixtures("environment")
def test_a_table_cannot_name_files_outside_of_the_roots(
    studio: Studio, source: Path, drawn: Path, start
) -> None:
    secret = next(drawn.glob("images/*.jpg"))
    (source / "link.jpg").symlink_to(secret)
    own = next(source.glob("0-*.jpg"))
    names = [own.name, str(secret), os.path.relpath(secret, source), "link.jpg"]
    table = source / "t.csv"
    table.write_text("image_name\n" + "\n".join(names))
    run = request_import(studio, str(table), "predicted")
    assert start("--once").wait(60) == 0
    run = get_import(studio.engine, run.id)
    assert (run.added, run.rejected) == (1, 3)
    assert {reject["reason"] for reject in run.rejects} == {
        "The file lies outside the folders that may be read."
    }


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


def test_an_import_that_was_cancelled_is_not_put_back(studio: Studio) -> None:
    run = Run.start(studio.engine, source="photos", labels="given")
    cancel_import(studio.engine, run.id)
    run.put_back()
    assert get_import(studio.engine, run.id).state == "cancelled"
