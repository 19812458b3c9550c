"""An import on a local Ray cluster: the same as by one process, also when actors or the import are killed."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
from _pytest.faulthandler import fault_handler_stderr_fd_key
from sqlalchemy import Engine, text

from service.catalog import count_by_label
from service.errors import ClusterFailed, StorageUnavailable
from service.ingest import ingest
from service.intake.cluster import on_ray
from service.settings import Settings
from service.storage import locate
from service.studio import Studio
from tests.store import BUCKET, ObjectStore
from tests.test_cli import assert_one_line, run
from tests.test_ingest import counts

COPIES = 8
ROWS = text(
    "SELECT image_path, label, label_source, predicted_label FROM garment ORDER BY image_path"
)
VECTORS = text("SELECT embedding::text FROM garment ORDER BY image_path")


@pytest.fixture
def cluster(pytestconfig: pytest.Config) -> Iterator[None]:
    """Within this process. What Ray sets for signals stays behind, so that all later tests would die
    without a word: of a crash it tells a file of its own."""
    before = signal.getsignal(signal.SIGTERM)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    signal.signal(signal.SIGTERM, before)
    faulthandler.disable()
    faulthandler.enable(pytestconfig.stash[fault_handler_stderr_fd_key])


@pytest.fixture
def many(drawn: Path, tmp_path: Path) -> Path:
    """A folder with 264 photos."""
    folder = tmp_path / "many"
    for number in range(COPIES):
        shutil.copytree(drawn / "images", folder / str(number))
    return folder


def rows(engine: Engine) -> list[tuple]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(ROWS)]


def vectors(engine: Engine) -> np.ndarray:
    with engine.connect() as connection:
        found = np.array([json.loads(row) for row in connection.scalars(VECTORS)])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.usefixtures("cluster")
def test_it_is_the_import_of_one_process(studio: Studio, drawn: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(drawn / "images", folder / "some")
    (folder / "broken.jpg").write_bytes(b"no photo")
    summary = ingest(studio, folder, engine=on_ray(2))
    assert counts(summary)[0] == 34
    assert [reject["image_path"] for reject in summary.rejects][-1:] == ["broken.jpg"]
    by_ray, embedded = rows(studio.engine), vectors(studio.engine)
    again = ingest(studio, folder, engine=on_ray(1))
    assert counts(again) == (34, 0, 0, summary.added, len(summary.rejects))

    moved = sorted((folder / "some").iterdir())[0]
    moved.rename(folder / "moved.jpg")
    assert ingest(studio, folder, engine=on_ray(1)).moved == 1
    (folder / "moved.jpg").rename(moved)
    assert ingest(studio, folder).moved == 1
    with studio.engine.begin() as connection:
        connection.execute(text("DELETE FROM garment"))
    assert counts(ingest(studio, folder)) == counts(summary)
    assert rows(studio.engine) == by_ray
    assert (vectors(studio.engine) * embedded).sum(axis=1).min() > 0.9999


def test_a_store_that_goes_away_stops_it(
    settings: Settings, store: ObjectStore, cluster: None, drawn: Path
) -> None:
    """The cluster starts after the store: its processes have the environment of their start."""
    for file in sorted((drawn / "images").iterdir())[:4]:
        store.files.put_file(str(file), f"{BUCKET}/{file.name}")
    with Studio(settings.model_copy(update={"image_root": f"s3://{BUCKET}"})) as studio:
        source = locate(f"s3://{BUCKET}")
        assert counts(ingest(studio, source, engine=on_ray(1)))[0] == 4
        store.stop()
        with pytest.raises(StorageUnavailable):
            ingest(studio, source, engine=on_ray(1))


def test_a_cluster_that_is_not_there_is_one_line(
    environment: dict[str, str], drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9", "nonsense"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        began = time.monotonic()
        said = run("ingest", drawn / "images", "--engine", "ray")
        assert_one_line(said, 1, f"RAY_ADDRESS={address} cannot be joined")
        assert time.monotonic() - began < 60


@pytest.mark.usefixtures("cluster")
def test_what_fails_in_the_cluster_is_one_line(
    studio: Studio, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def __init__(self, *_: object) -> None: ...

        def __call__(self, row: object) -> None:
            raise MemoryError("no room")

    of_another = studio.model.card.model_copy(update={"content_sha256": "0" * 64})
    with monkeypatch.context() as patched:
        patched.setattr(studio.model, "card", of_another)
        with pytest.raises(ClusterFailed, match="bundle is not on this machine"):
            ingest(studio, drawn / "images", engine=on_ray(1))
    monkeypatch.setattr("service.intake.cluster._Embedder", Broken)
    with pytest.raises(ClusterFailed, match=r"gave up: MemoryError: no room\. Start again"):
        ingest(studio, drawn / "images", engine=on_ray(1))


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", "ingest", str(folder), "--engine", "ray",
         "--workers", "2", "--batch-size", "32", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def garments(engine: Engine) -> int:
    return sum(count.count for count in count_by_label(engine))


def wait_for_garments(engine: Engine, least: int) -> None:
    end = time.monotonic() + 120
    while garments(engine) < least:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.usefixtures("environment")
def test_a_killed_actor_loses_nothing_and_a_killed_import_goes_on(
    engine: Engine, many: Path
) -> None:
    killed = start(many)
    wait_for_garments(engine, 1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    before = garments(engine)
    assert 0 < before < 33 * COPIES

    going_on = start(many)
    wait_for_garments(engine, before + 1)
    actors = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if any("_Embedder" in part for part in process.info["cmdline"] or [])
    ]
    assert actors
    actors[0].kill()
    answer, said = going_on.communicate(timeout=240)
    assert going_on.returncode == 0, said
    summary = json.loads(answer)
    seen = (summary["seen"], summary["added"], summary["unchanged"], summary["rejected"])
    assert seen[0] == 33 * COPIES
    assert sum(seen[1:]) == seen[0]
    assert garments(engine) == before + summary["added"] == 33 * COPIES - summary["rejected"]


def test_what_does_not_go_together(environment: dict[str, str], drawn: Path) -> None:
    assert_one_line(run("ingest", drawn, "--workers", "2"), 2, "belongs to --engine ray")
    assert_one_line(run("ingest", drawn, "--engine", "ray", "--dry-run"), 2, "--dry-run")
    assert_one_line(run("ingest", drawn, "--engine", "ray", "--workers", "0"), 2, "at least 1")
