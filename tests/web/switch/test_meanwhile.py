"""What happens between the comparison and the swap, or with the store of photos, while a switch goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.catalog import (
    beside,
    cancel_switch,
    count_by_label,
    garment_by_id,
    last_switch,
    only_switcher,
    serving_id,
    start_switch,
)
from service.errors import SwitchCancelled, SwitchRefused
from service.ingest import ingest
from service.jobs import request_switch
from service.settings import Settings
from service.studio import Studio
from service.switch import Options, prepare, work_on

from ...store import BUCKET, ObjectStore
from .conftest import CLI, PHOTOS, environment_of, photo, switch, table_of

RATE = 4.0
KILLED_AFTER_THE_COMMIT = """
import os
import service.switch.run as run
from service.cli import main

swap = run.swap

def swap_and_die(*args, **how):
    swap(*args, **how)
    os._exit(9)

run.swap = swap_and_die
main()
"""


def work(studio: Studio, bundle: Path, at: Callable[[str, int], None], **options: Any) -> None:
    """Switch. at: called with the stage, and what is done of it."""
    record = prepare(studio, str(bundle))
    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options(margin=1, **options).as_dict())
        work_on(studio, begun, progress=lambda stage, done, _: at(stage, done))


def test_a_cancel_is_heard_while_the_swap_waits(
    studio: Studio, noisy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.catalog.switch.swap.WRITERS_PATIENCE", "300ms")
    swapping = []

    with studio.engine.connect() as writer:

        def at(stage: str, done: int) -> None:
            if stage == "comparing" and done == 1:
                writer.execute(text("LOCK TABLE garment IN ROW EXCLUSIVE MODE"))
            if stage == "swapping":
                swapping.append(time.monotonic())
                if len(swapping) == 2:
                    assert cancel_switch(studio.engine)

        with pytest.raises(SwitchCancelled):
            work(studio, noisy, at)
        assert time.monotonic() - swapping[1] < 10
    assert last_switch(studio.engine).state == "cancelled"  # type: ignore[union-attr]
    assert serving_id(studio.engine) == studio.model_id


def test_the_rate_holds_for_what_comes_meanwhile_as_well(
    studio: Studio, root: Path, noisy: Path
) -> None:
    def stop(stage: str, done: int) -> None:
        if stage == "comparing":
            cancel_switch(studio.engine)

    with pytest.raises(SwitchCancelled):
        work(studio, noisy, stop)
    names = [f"late-{number}.jpg" for number in range(6)]
    for number, name in enumerate(names):
        (root / name).write_bytes(photo(root, number))
    came: list[float] = []

    def come(stage: str, done: int) -> None:
        if stage == "comparing" and done == PHOTOS:
            ingest(studio, table_of(root, *names))
            came.append(time.monotonic())

    work(studio, noisy, come, rate=RATE)
    assert time.monotonic() - came[0] > len(names) / RATE
    assert studio.follow().card.name == "noisy"


def test_a_folder_that_goes_meanwhile_never_empties_a_catalog(
    studio: Studio, root: Path, noisy: Path
) -> None:
    def go(stage: str, done: int) -> None:
        if stage == "comparing" and done == PHOTOS:
            shutil.rmtree(root / "images")
            with studio.engine.begin() as connection:
                connection.execute(text("UPDATE garment SET updated_at = now()"))

    with pytest.raises(SwitchRefused, match="IMAGE_ROOT"):
        work(studio, noisy, go, forget_unreadable=True, force=True)
    assert sum(count.count for count in count_by_label(studio.engine)) == PHOTOS
    assert serving_id(studio.engine) == studio.model_id


def test_a_photo_that_could_not_be_read_for_a_while_is_not_forgotten(
    studio: Studio, root: Path, noisy: Path
) -> None:
    former_id = studio.model_id
    former = beside(studio.engine, former_id)
    file = root / garment_by_id(studio.engine, 1).image_path
    away = file.rename(root / "away.jpg")

    def come_back(stage: str, done: int) -> None:
        if stage == "comparing" and done == 1:
            away.rename(file)

    work(studio, noisy, come_back, forget_unreadable=True, force=True)
    assert sum(count.count for count in count_by_label(studio.engine)) == PHOTOS
    assert studio.follow().id == serving_id(studio.engine) != former_id
    assert beside(studio.engine, former_id) is not former, "its connections would stay open"


def test_a_switch_that_is_killed_behind_its_commit_is_done(
    studio: Studio, settings: Settings, noisy: Path
) -> None:
    options = ["models", "use", str(noisy), "--margin", "1"]
    environment = environment_of(settings)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_THE_COMMIT, *options], env=environment, timeout=120
    )
    assert killed.returncode == 9
    shown = subprocess.run(
        [*CLI, "models", "list", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(shown.stdout)["switch"]["state"] == "done"
    assert studio.follow().card.name == "noisy"


def test_the_way_back_to_imported_embeddings_embeds_nothing(studio: Studio, noisy: Path) -> None:
    with studio.engine.begin() as connection:  # as `import-features` leaves them
        connection.execute(
            text(
                "UPDATE garment SET content_sha256 = NULL, confidence = NULL, predicted_label = NULL"
            )
        )
        before = connection.execute(text("SELECT id, embedding::text FROM garment")).all()
    switch(studio, noisy, margin=1)
    with studio.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(content_sha256) FROM garment")) == PHOTOS
    embedded = []
    record = prepare(studio, "previous")
    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options().as_dict())
        work_on(
            studio,
            begun,
            progress=lambda stage, done, total: embedded.append(total * (stage == "embedding")),
        )
    assert max(embedded) == 0
    with studio.engine.connect() as connection:
        after = connection.execute(text("SELECT id, embedding::text FROM garment")).all()
    assert sorted(after) == sorted(before)


def test_a_worker_goes_on_when_the_store_of_photos_is_back(
    studio: Studio, settings: Settings, root: Path, noisy: Path, store: ObjectStore
) -> None:
    for path in (root / "images").glob("*.jpg"):
        store.files.pipe_file(f"{BUCKET}/images/{path.name}", path.read_bytes())
    environment = environment_of(settings) | {"FASHION_STUDIO_IMAGE_ROOT": f"s3://{BUCKET}"}
    queued = request_switch(studio, prepare(studio, str(noisy)), Options(margin=1))

    def state_after_a_worker() -> str:
        done = subprocess.run(
            [*CLI, "worker", "--once"], env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        found = last_switch(studio.engine)
        assert found is not None
        assert found.id == queued.id
        return found.state

    store.stop()
    assert state_after_a_worker() == "queued"
    store.start()
    with studio.engine.begin() as connection:  # the seconds of `Patience` are over
        connection.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL"))
    assert state_after_a_worker() == "done"
    assert studio.follow().card.name == "noisy"
