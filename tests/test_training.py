"""A short training run: it writes a bundle that serves, goes on after kill -9, refuses bad data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from service.encoder.bundle import read_card, read_weights
from service.errors import TrainingImpossible
from service.training.augment import augmented
from service.training.data import Sample, label_order, read_samples
from service.training.evaluate import wilson
from service.training.held_out import split
from tests.pictures import encoded, picture


def command(data: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "service.cli", "train", "--data", str(data), "--out", str(out),
        "--epochs", "2", "--sizes", "32", "--batch", "4",
        "--backbone", "efficientnetlite0",
        "--task", "family", "--group", "garment", "--json", *more,
    ]  # fmt: skip


@pytest.mark.timeout(600)
def test_a_run_killed_after_an_epoch_goes_on(drawn: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "FASHION_STUDIO_HOME": str(tmp_path / "home"),
        "FASHION_STUDIO_PRECISION": "int8",  # of bundles that are served; a new one has none
    }
    run = command(drawn / "garments.csv", tmp_path / "bundle", "--alike", "sleeve=2")
    process = subprocess.Popen(run, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 1/2"):
            deadline = time.monotonic() + 30
            while not list((tmp_path / "home").rglob("state-*.safetensors")):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "epoch 1/2" not in done.stderr
    assert "epoch 2/2" in done.stderr
    card = read_card(tmp_path / "bundle")
    assert (tmp_path / "bundle.png").exists()
    assert json.loads(done.stdout)["content_sha256"] == card.content_sha256
    assert (card.input_size, len(card.training["held_out_accuracy_by_epoch"])) == (32, 2)
    assert card.training["tasks"]["family"] > 1
    assert card.training["alike"] == {"sleeve": 2}
    figures = card.metrics["held_out"]["garments"]
    assert figures["top1_interval_95"][0] <= figures["top1"] <= figures["top1_interval_95"][1]
    assert all(
        np.isfinite(w.astype(np.float32)).all() for w in read_weights(tmp_path / "bundle").values()
    )


def test_groups_are_never_split_and_fall_the_same_each_time() -> None:
    samples = [Sample(Path(f"{i}.jpg"), "photos", "Tee", f"sender-{i % 23}") for i in range(400)]
    training, held_out = split(samples)
    assert {s.group for s in training}.isdisjoint(s.group for s in held_out)
    assert 0.15 < len(held_out) / len(samples) < 0.25
    assert split(list(reversed(samples)))[1][::-1] == held_out


def test_samples_keep_their_group_and_further_columns(drawn: Path) -> None:
    samples = read_samples([drawn / "garments.csv"], groups=("sender_id", "garment"))
    assert samples[4].group == "garments/4"
    assert samples[4].columns["family"]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["Tee"] * 4, "has 1 category"),
        ([None] * 4, "No photo has a label"),
        (["tee", "Tee", "Tee", "Top", "Top"], "Are Tee and tee one category"),
        (["Tee", "Tee", "Top\udcff", "Top\udcff"], "not valid UTF-8"),
        (["Tee", "Tee", "Top"], "The category Top has one photo"),
    ],
)
def test_data_that_cannot_train_is_refused(labels: list[str | None], words: str) -> None:
    samples = [Sample(Path(f"{i}.jpg"), "s", label, str(i)) for i, label in enumerate(labels)]
    with pytest.raises(TrainingImpossible, match=words):
        label_order(samples, ())


def test_labels_keep_the_usual_order() -> None:
    samples = [Sample(Path("x"), "s", label, "g") for label in ("Sock", "Top", "Hat", "Tee") * 2]
    assert label_order(samples, ("Tee", "Top", "Dress")) == ("Tee", "Top", "Hat", "Sock")


def test_views_are_repeatable_and_of_the_same_garment() -> None:
    pixels = np.asarray(picture(96, 96))
    first, again = (augmented(pixels, 64, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == (64, 64, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, augmented(pixels, 64, np.random.default_rng(6)))


def test_wilson_interval_of_a_known_case() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_without_tensorflow_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "photos/Tee").mkdir(parents=True)
    (tmp_path / "photos/Tee/a.png").write_bytes(encoded(picture()))
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'tensorflow' else find(name, *a)\n"
        "from service.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command(tmp_path / "photos", tmp_path / "b")[3:]],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'fashion-studio[train]'" in done.stderr
