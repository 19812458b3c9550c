"""Runs that are stopped, disturbed or refused: one line, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.alone import alone
from service.decode import Limits, read
from service.encoder.bundle import SHIPPED
from service.errors import HomeNotWritable, ImageUndecodable, TrainingImpossible
from service.storage import Location
from service.training import checkpoint, pixels
from service.training.data import Sample, read_samples
from service.training.pixels import load_pixels
from tests.pictures import encoded, picture
from tests.test_cli import assert_one_line, run
from tests.test_encoder import change_card
from tests.test_training import command


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten photos of each of two categories, a folder each."""
    for place, label in enumerate(("Tee", "Top")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(10):
            data = encoded(picture(40, 40, 10 * place + number))
            (tmp_path / "photos" / label / f"{number}.png").write_bytes(data)
    return tmp_path / "photos"


@pytest.fixture
def training(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[str]]:
    """A run that has written the checkpoint of its first epoch of a thousand."""
    monkeypatch.setenv("FASHION_STUDIO_HOME", str(tmp_path / "home"))
    process = subprocess.Popen(
        command(drawn / "garments.csv", tmp_path / "out" / "bundle", "--epochs", "1000"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((tmp_path / "home").rglob("state-*.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.timeout(300)
def test_two_processes_are_not_at_one_run_and_ctrl_c_is_one_line(
    training: subprocess.Popen[str], drawn: Path, tmp_path: Path
) -> None:
    """A terminal sends Ctrl-C to every process of the run."""
    again = command(drawn / "garments.csv", tmp_path / "elsewhere", "--epochs", "1000")
    os.killpg(training.pid, signal.SIGSTOP)
    done = subprocess.run(again, capture_output=True, text=True, timeout=120)
    assert_one_line(done, 1, "Another process is at this very training")

    os.killpg(training.pid, signal.SIGCONT)
    os.killpg(training.pid, signal.SIGINT)
    out, said = training.communicate(timeout=60)
    assert training.returncode == 130
    assert out == ""
    assert said.splitlines()[-1] == "fashion-studio: Stopped."
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_was_cut_off_is_said_to_be(tmp_path: Path) -> None:
    state = tmp_path / "state.safetensors"
    assert checkpoint.read_facts(state) is None
    checkpoint.save(state, [[1.0, 2.0]], {"run": 1})
    assert checkpoint.read_facts(state) == {"run": 1}
    with pytest.raises(TrainingImpossible, match="another number of weights"):
        checkpoint.restore(state, [])
    state.write_bytes(state.read_bytes()[:-4])
    with pytest.raises(
        TrainingImpossible, match=r"state.safetensors cannot be gone on from.*Delete"
    ):
        checkpoint.read_facts(state)
    with pytest.raises(HomeNotWritable):
        checkpoint.save(tmp_path / "none" / "state.safetensors", [[1.0]], {})


def test_pictures_on_a_full_disk_are_one_line(photos: Path, tmp_path: Path) -> None:
    home = {"FASHION_STUDIO_HOME": str(tmp_path / "home")}
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "from service.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "--data", str(photos), "--out", str(tmp_path / "b"),
         "--backbone", "efficientnetlite0", "--sizes", "32", "--input-size", "32"],
        env=os.environ | home, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("training/pictures cannot be written: File too large.\n")
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "home").rglob("*.npy"))
    assert not list((tmp_path / "home").rglob("*.draft"))


def test_pictures_that_another_run_reads_are_waited_for(photos: Path, tmp_path: Path) -> None:
    samples = read_samples([photos])
    code = (
        "import sys; from pathlib import Path; from service.training.data import read_samples\n"
        "from service.training.pixels import load_pixels\n"
        "from service.decode import Limits\n"
        "load_pixels(read_samples([Path(sys.argv[1])]), 40, Limits(), Path(sys.argv[2]), print)"
    )
    cache = tmp_path / "cache"
    load_pixels(samples, 40, Limits(), cache, lambda done, total: None)
    (lock,) = cache.glob("*.lock")
    for file in cache.glob("*.[nj]*"):
        file.unlink()
    with alone(lock):
        other = subprocess.Popen([sys.executable, "-c", code, str(photos), str(cache)])
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=3)
        assert os.listdir(cache) == [lock.name]
    assert other.wait(timeout=60) == 0
    assert len(os.listdir(cache)) == 3


def test_a_photo_that_could_not_be_read_once_is_tried_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = read_samples([photos])

    def load(cache: str) -> tuple[list[Sample], np.ndarray]:
        return load_pixels(samples, 40, Limits(), tmp_path / cache, lambda done, total: None)

    def refused(file: Location, limits: Limits) -> bytes:
        if file == samples[3].file:
            raise ImageUndecodable(f"{file} cannot be read: Too many open files.")
        return read(file, limits)

    with monkeypatch.context() as patch:
        patch.setattr(pixels, "read", refused)
        assert load("cache")[0] == [*samples[:3], *samples[4:]]
    _, whole = load("another")
    for _ in range(2):
        kept, mended = load("cache")
        assert kept == [*samples[:3], *samples[4:], samples[3]]
        assert np.array_equal(mended, np.concatenate([whole[:3], whole[4:], whole[3:4]]))


@pytest.mark.parametrize("lost", ["npy", "json"])
def test_kept_pictures_that_were_deleted_are_read_anew(
    photos: Path, tmp_path: Path, lost: str
) -> None:
    def load() -> np.ndarray:
        return load_pixels(
            read_samples([photos]), 40, Limits(), tmp_path, lambda done, total: None
        )[1]

    before = load()
    (kept,) = tmp_path.glob(f"*.{lost}")
    kept.unlink() if lost == "npy" else kept.write_text("")  # of a machine that lost its power
    assert np.array_equal(load(), before)


def test_a_backend_that_trains_nothing_is_refused(photos: Path, tmp_path: Path) -> None:
    done = run("train", "--data", photos, "--out", tmp_path / "b", KERAS_BACKEND="openvino")
    assert_one_line(done, 2, "KERAS_BACKEND is openvino; training takes tensorflow, jax, torch.")


def test_a_task_of_which_one_value_is_left_is_one_line(photos: Path, tmp_path: Path) -> None:
    lines = [f"{file},{file.parent.name},red\n" for file in sorted(photos.rglob("*.png"))]
    table = tmp_path / "t.csv"
    table.write_text("image_name,category_label,colour\n" + "".join(lines))
    done = run(
        "train", "--data", table, "--out", tmp_path / "bundle", "--task", "colour",
        "--backbone", "efficientnetlite0", "--sizes", "32", "--input-size", "32",
        FASHION_STUDIO_HOME=str(tmp_path / "home"),
    )  # fmt: skip
    assert_one_line(done, 1, "--task colour: the photos to learn from have fewer than two values")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--min-photos", "11"], "No categories have 11 photos or more"),
        (["--name", "\udcff"], "must be valid UTF-8"),
        (["--weights", "nowhere"], "nowhere is no model bundle"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    photos: Path, tmp_path: Path, more: list[str], words: str
) -> None:
    home = {"FASHION_STUDIO_HOME": str(tmp_path / "home")}
    done = run("train", "--data", photos, "--out", tmp_path / "bundle", *more, **home)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bundle").exists()


@pytest.mark.usefixtures("environment")
def test_an_evaluation_stays_where_it_belongs(photos: Path, home: Path, tmp_path: Path) -> None:
    """Whatever a bundle of unknown origin is called."""
    copy = Path(shutil.copytree(SHIPPED, tmp_path / "copy"))
    change_card(copy, name="../../elsewhere", version="1/2")
    done = run("evaluate", copy, "--data", photos, "--all")
    assert done.returncode == 0, done.stderr
    (page,) = (home / "evaluations").glob("*elsewhere*/evaluation.html")
    assert page.parent.name == "..-..-elsewhere@1-2"


@pytest.mark.usefixtures("environment")
def test_an_evaluation_is_refused_before_it_measures(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    data = ("--data", photos)
    for place in ("file", "file/folder"):
        done = run("evaluate", SHIPPED, *data, "--out", tmp_path / place)
        assert_one_line(done, 2, "cannot be written")
    shutil.rmtree(photos / "Tee")
    for number in range(1, 10):
        (photos / "Top" / f"{number}.png").unlink()
    done = run("evaluate", SHIPPED, *data, "--out", tmp_path / "out")
    assert_one_line(done, 1, "--all takes every photo")
