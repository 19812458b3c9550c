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
    build_indexes,
    cancel_import,
    get_import,
    kept_recall,
    queue_state,
)
from service.jobs import STALLED_SECONDS, request_import
from service.jobs.tasks import MOST_ATTEMPTS, index_garments
from service.jobs.worker import _work
from service.settings import Settings
from service.studio import Studio
from tests.test_worker import in_thread

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
    assert "never ended" in str(run.error)
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
    in_thread(_work, studio, threading.Event(), once=True, parent=None)
    assert found[0] == ("doing", 0)
    assert jobs(studio.engine) == [("index_garments", "succeeded")]


def test_a_worker_that_was_replaced_leaves_the_job_to_the_other_one(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept, and meanwhile its job was queued again, and fetched."""

    def build(engine: Engine) -> list[str]:
        with engine.begin() as connection:
            other = "INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"
            taken = text(
                f"WITH other AS ({other}) UPDATE procrastinate_jobs SET worker_id = other.id FROM other"
            )
            connection.execute(taken)
        return []

    monkeypatch.setattr("service.jobs.tasks.build_indexes", build)
    with studio.engine.begin() as connection:
        index_garments.configure(connection=connection.connection.driver_connection).defer()
    in_thread(_work, studio, threading.Event(), once=True, parent=None)
    assert jobs(studio.engine) == [("index_garments", "doing")]


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
