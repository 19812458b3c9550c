"""A switch killed, cancelled, queued and overtaken, and the bundle that each process then answers with."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from procrastinate import JobContext
from procrastinate.jobs import Job
from sqlalchemy import text

from service import curate
from service.catalog import (
    SwitchRecord,
    cancel_switch,
    last_switch,
    only_switcher,
    start_switch,
)
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.calibration import read_detector
from service.encoder.write import write_calibration
from service.errors import (
    BundleMismatch,
    DatabaseUnavailable,
    SwitchCancelled,
)
from service.ingest import ingest
from service.jobs import request_switch
from service.jobs.tasks import MOST_ATTEMPTS, NEVER_FREE, queue, switch_model
from service.jobs.worker import _work
from service.processes import Stop
from service.settings import Settings
from service.studio import Studio
from service.switch import Options, prepare, work_on

from ...bundles import TITLE, write_variant
from ...poolers import pgbouncer
from ...test_worker import in_thread
from .conftest import CLI, PHOTOS, environment_of, photo, switch, table_of


def test_a_switch_is_cancelled_behind_its_batch_and_goes_on_later(
    studio: Studio, noisy: Path
) -> None:
    record = prepare(studio, str(noisy))
    shown: list[int] = []

    def stop(stage: str, done: int, total: int) -> None:
        shown.append(done)
        if done:
            cancel_switch(studio.engine)

    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options(rate=2).as_dict())
        with pytest.raises(SwitchCancelled):
            work_on(studio, begun, progress=stop)
    assert last_switch(studio.engine).state == "cancelled"  # type: ignore[union-attr]
    assert 0 < max(shown) < PHOTOS
    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options(margin=1).as_dict())
        totals: list[int] = []
        work_on(studio, begun, progress=lambda stage, done, total: totals.append(total))
    assert 0 < totals[0] < PHOTOS, "what was embedded before is not again"


def after_a_worker(studio: Studio, settings: Settings) -> SwitchRecord:
    """The last switch as a worker leaves it that has done what there was to do."""
    done = subprocess.run(
        [*CLI, "worker", "--once"],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = last_switch(studio.engine)
    assert found is not None
    return found


def test_a_worker_does_a_queued_switch(studio: Studio, settings: Settings, noisy: Path) -> None:
    record = prepare(studio, str(noisy))
    queued = request_switch(studio, record, Options(margin=1))
    assert "waits for a worker" in queued.as_line()
    assert states_of(settings) == {TITLE: "serving", "noisy@2": "not embedded"}
    found = after_a_worker(studio, settings)
    assert (found.state, found.model) == ("done", "noisy@2")
    assert studio.follow().card.name == "noisy"
    assert states_of(settings) == {TITLE: "kept", "noisy@2": "serving"}


def attempted(studio: Studio, times: int) -> None:
    """Let the queue's jobs have been begun so often, and be due now."""
    query = text("UPDATE procrastinate_jobs SET attempts = :n, scheduled_at = NULL")
    with studio.engine.begin() as connection:
        connection.execute(query, {"n": times})


def states_of(settings: Settings) -> dict[str, str]:
    listed = subprocess.run(
        [*CLI, "models", "list", "--json"],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    return {model["model"]: model["state"] for model in json.loads(listed.stdout)["models"]}


def test_a_queued_switch_that_never_gets_its_turn_ends_with_a_reason(
    studio: Studio, settings: Settings, noisy: Path
) -> None:
    queued = request_switch(studio, prepare(studio, str(noisy)), Options(margin=1))

    def record_after_a_worker(attempts: int) -> SwitchRecord:
        attempted(studio, attempts)
        with only_switcher(studio.engine):  # as a process that works on another model
            return after_a_worker(studio, settings)

    waits = record_after_a_worker(MOST_ATTEMPTS - 2)
    assert waits == replace(queued, silent_seconds=waits.silent_seconds)
    over = record_after_a_worker(MOST_ATTEMPTS - 1)
    assert (over.id, over.state, over.error) == (queued.id, "failed", NEVER_FREE)
    assert over.finished_at is not None
    switch(studio, noisy, margin=1)
    assert studio.model.card.name == "noisy"


def test_a_switch_whose_last_attempt_fails_for_the_database_says_so(
    studio: Studio, settings: Settings, noisy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("The catalog's tables stay busy.")

    monkeypatch.setattr("service.jobs.tasks.work_on", busy)
    queued = request_switch(studio, prepare(studio, str(noisy)), Options(margin=1))
    for attempts, state in ((MOST_ATTEMPTS - 2, "running"), (MOST_ATTEMPTS - 1, "failed")):
        attempted(studio, attempts)
        in_thread(_work, studio, Stop(), once=True, parent=None)
        found = last_switch(studio.engine)
        assert found is not None
        assert (found.id, found.state) == (queued.id, state)
    assert found.error == "The catalog's tables stay busy."


def test_a_queued_switch_whose_job_was_given_up_is_in_nobodys_way(
    studio: Studio, settings: Settings, noisy: Path
) -> None:
    """As after eight starts that did not even reach the database."""
    queued = request_switch(studio, prepare(studio, str(noisy)), Options(margin=1))
    with studio.engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'failed'"))
    over = after_a_worker(studio, settings)
    assert (over.id, over.state) == (queued.id, "failed")
    assert over.error == "The database went away too often."
    switch(studio, noisy, margin=1)


def test_a_queued_switch_that_cannot_be_begun_says_why(
    settings: Settings, database_url: str, noisy: Path
) -> None:
    with pgbouncer(database_url) as pooler:
        behind = settings.model_copy(update={"database_url": pooler.studio})
        with Studio(behind) as studio:
            queued = request_switch(studio, prepare(studio, str(noisy)), Options(margin=1))
            pooler.pool("transaction")  # as its keeper may at any time
            context = JobContext(
                app=queue,
                job=Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="switch"),
                start_timestamp=0.0,
                additional_context={"studio": studio},
                abort_reason=lambda: None,
            )
            switch_model(context, switch_id=queued.id)
        pooler.pool("session")
        with Studio(settings) as studio:
            found = last_switch(studio.engine)
    assert found is not None
    assert (found.id, found.state) == (queued.id, "failed")
    assert "gives each transaction another session" in (found.error or "")


def test_an_ingest_and_a_garment_that_a_switch_overtakes_are_the_new_models(
    studio: Studio, settings: Settings, root: Path, noisy: Path
) -> None:
    with Studio(settings) as other:
        switch(other, noisy, margin=1)
    late = studio._model  # as it was: this process has not looked since
    assert late.card.name == "lite0-fashion"
    studio._look_again = time.monotonic() + 3600
    garment, new = curate.add_garment(studio, photo(root, 3), image_path="late.jpg")
    assert (garment.model, new) == ("noisy@2", True)
    with Studio(settings) as other:
        switch(other, "previous")
    (root / "later.jpg").write_bytes(photo(root, 4))
    summary = ingest(studio, table_of(root, "later.jpg"))
    assert (summary.added, summary.rejects) == (1, [])
    with studio.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT model_id) FROM garment")) == 1


def test_the_catalog_decides_which_bundle_answers(
    studio: Studio, settings: Settings, noisy: Path, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    write_variant(stranger, "stranger", noise=0.1)
    with pytest.raises(BundleMismatch, match=r"unset it and let this one take over .*models use"):
        Studio(settings.model_copy(update={"model": stranger}))
    moving = Path(shutil.copytree(noisy, tmp_path / "moving"))
    switch(studio, moving, margin=1)
    shutil.rmtree(moving)  # what was kept of it is enough
    with Studio(settings) as other:
        assert other.model.card.name == "noisy"
        assert other.warnings == []
    with Studio(settings.model_copy(update={"model": SHIPPED})) as other:
        assert other.model.card.name == "noisy"
        assert "the catalog's model is noisy@2" in other.warnings[0]
    shutil.rmtree(settings.home / "bundles")
    with pytest.raises(BundleMismatch, match="not on this machine"):
        Studio(settings)
    with Studio(settings.model_copy(update={"model": noisy})) as other:
        assert other.model.card.name == "noisy"


def test_the_bundle_that_ships_may_be_calibrated_anew(
    studio: Studio, settings: Settings, tmp_path: Path
) -> None:
    mine = Path(shutil.copytree(SHIPPED, tmp_path / "mine"))
    card = read_card(mine)
    detector = read_detector(mine, card.calibration)
    assert detector is not None
    write_calibration(mine, card.content_sha256, temperature=7.0, detector=detector, measured={})
    assert prepare(studio, str(mine)).serving
    shutil.rmtree(mine)
    with Studio(settings) as other:
        assert other.card.softmax_temperature == 7
        assert other.encoder.card.softmax_temperature == 7
