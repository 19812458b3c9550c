"""The same run on every Keras backend, whole and resumed; each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import shutil
import sys
from pathlib import Path

import numpy as np

from service.encoder.keras import import_keras
from service.training import lite
from service.training.batches import targets_of
from service.training.data import Sample
from service.training.fit import Data, train
from service.training.plan import Plan

keras = import_keras("tensorflow")
lite.BLOCKS["efficientnetlite0"] = (1,) * 7  # TensorFlow needs most of a run's time to read the network
labels = ("Tee", "Top", "Dress")
samples = [
    Sample(Path(f"{i}.jpg"), "s", labels[i % 3], str(i), {"colour": "red" if i % 2 else "blue"},
           garment=str(i // 2))
    for i in range(24)
]
pixels = np.random.default_rng(0).integers(0, 255, (24, 48, 48, 3), np.uint8)
data = Data(samples, pixels, targets_of(samples, labels, ["colour"], {"colour": 2}))
folder = Path(sys.argv[1])


def run(plan, state, copy=None):
    # the logs after each step of the second epoch
    logs = []

    def report(epoch, step, steps, figures):
        if epoch == 1 and "seconds" not in figures:
            logs.append(figures)
            if copy and step == 1:  # what a process killed now leaves behind
                shutil.copy(state, copy)

    train(keras, plan, data, data, state, report, {})
    return logs


for precision in sys.argv[2:]:
    plan = Plan(backbone="efficientnetlite0", epochs=2, sizes=(32,), input_size=32, batch=8,
                precision=precision)
    cut = folder / f"cut-{precision}.safetensors"
    whole = run(plan, folder / f"whole-{precision}.safetensors", cut)
    resumed = run(plan, cut)
    assert len(whole) == len(resumed) == 3
    # The first step tells of weights, dropout and batches, the second of the optimizer; from there
    # on rounding grows, as AdamW makes a full step of a gradient that is all but zero.
    tolerances = (1e-4, 1e-2) if precision == "float32" else (2e-2, 1e-1)
    for before, after, tolerance in zip(whole, resumed, tolerances):
        for name in ("loss", "logits_loss", "features_loss", "colour_loss"):
            assert np.isfinite(before[name])
            assert abs(before[name] - after[name]) <= tolerance * abs(before[name]), (
                precision, name, before, after
            )
    print(keras.backend.backend(), precision)
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("backend", "precisions"),
    [
        ("tensorflow", ["float32", "mixed_bfloat16"]),
        ("jax", ["mixed_bfloat16"]),
        ("torch", ["mixed_bfloat16"]),
    ],
)
def test_a_run_that_was_cut_goes_on_as_one_that_was_not(
    tmp_path: Path, backend: str, precisions: list[str]
) -> None:
    if backend == "torch" and importlib.util.find_spec(backend) is None:
        pytest.skip("`make torch-test` installs PyTorch")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *precisions],
        env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-len(precisions) :] == [f"{backend} {p}" for p in precisions]
