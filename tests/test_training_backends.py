"""The same run on every Keras backend, whole and interrupted; each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path

import numpy as np

from service.encoder.keras import collect_weights, import_keras
from service.training.batches import targets_of
from service.training.data import Sample
from service.training.fit import Data, train
from service.training.plan import Plan

keras = import_keras("tensorflow")
labels = ("Tee", "Top", "Dress")
samples = [
    Sample(Path(f"{i}.jpg"), "s", labels[i % 3], str(i), {"colour": "red" if i % 2 else "blue"},
           garment=str(i // 2))
    for i in range(24)
]
pixels = np.random.default_rng(0).integers(0, 255, (24, 48, 48, 3), np.uint8)
data = Data(samples, pixels, targets_of(samples, labels, ["colour"]))
plan = Plan(backbone="efficientnetlite0", epochs=2, sizes=(32, 40), input_size=40, batch=8,
            precision=sys.argv[2])
folder = Path(sys.argv[1])


def run(state, report=lambda *what: None):
    network, history = train(keras, plan, data, data, state, report, {})
    return collect_weights(network), history


def stop_in_the_second_epoch(epoch, step, steps, logs):
    if epoch == 1:
        raise KeyboardInterrupt


whole, history = run(folder / "whole.safetensors")
try:
    run(folder / "cut.safetensors", stop_in_the_second_epoch)
except KeyboardInterrupt:
    pass
resumed, again = run(folder / "cut.safetensors")
tolerance = 1e-3 if sys.argv[2] == "float32" else 5e-2
for name in ("loss", "logits_loss", "features_loss", "colour_loss"):
    assert np.isfinite(history[1][name])
    assert abs(history[1][name] - again[1][name]) <= tolerance * abs(history[1][name]), name
assert len(history) == len(again) == 2
assert whole.keys() == resumed.keys()
print(keras.backend.backend())
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("backend", "precision"),
    [
        ("tensorflow", "float32"),
        ("tensorflow", "mixed_bfloat16"),
        ("jax", "mixed_bfloat16"),
        ("torch", "mixed_bfloat16"),
    ],
)
def test_a_run_that_was_cut_ends_as_one_that_was_not(
    tmp_path: Path, backend: str, precision: str
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), precision],
        env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-1] == backend
