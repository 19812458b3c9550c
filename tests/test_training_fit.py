"""A whole run with a network that takes no time: what is counted, and which weights are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.encoder.keras import collect_weights, import_keras
from service.errors import TrainingImpossible
from service.training.batches import targets_of
from service.training.data import Sample
from service.training.fit import Data, _room_for, train
from service.training.network import LOGITS, build
from service.training.plan import Plan

PLAN = Plan(
    epochs=9, patience=2, sizes=(32,), input_size=32, batch=8, draws=16, precision="float32"
)
HELD_OUT = (0.9, 0.1, 0.1)  # accuracy after each epoch


@dataclass
class Run:
    """network: what comes of it. after: weights after each epoch. figures: of each step.
    begun_clean: whether each step began without the figures of the one before."""

    network: Any = None
    after: list[dict[str, np.ndarray]] = field(default_factory=list)
    figures: list[dict[str, float]] = field(default_factory=list)
    begun_clean: list[bool] = field(default_factory=list)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of a network that calls every photo a Top; a quarter of them show none of the labels."""
    keras, run = import_keras("tensorflow"), Run()
    step_of_keras = keras.Model.train_on_batch

    def pooled(keras: Any, backbone: str, pixels: Any) -> Any:
        return keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(pixels))

    def accuracy(network: Any, data: Data, plan: Plan) -> float:
        run.after.append(collect_weights(network))
        return HELD_OUT[len(run.after) - 1]

    def step(model: Any, *given: Any, **named: Any) -> Any:
        counted = [variable for metric in model.metrics for variable in metric.variables]
        run.begun_clean.append(not any(np.any(np.asarray(variable)) for variable in counted))
        return step_of_keras(model, *given, **named)

    def report(epoch: int, step: int, steps: int, figures: dict[str, float]) -> None:
        if "seconds" not in figures:
            run.figures.append(figures)

    samples = [
        Sample(Path("x"), "s", "Top" if i > 1 else None, str(i), outlier=i < 2, garment=str(i))
        for i in range(8)
    ]
    pixels = np.random.default_rng(0).integers(0, 255, (8, 40, 40, 3), np.uint8)
    data = Data(samples, pixels, targets_of(samples, ("Tee", "Top"), ()))
    state = tmp_path_factory.mktemp("run") / "state.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.training.network.pooled", pooled)
        patch.setattr("service.training.fit.accuracy", accuracy)
        patch.setattr(keras.Model, "train_on_batch", step)
        keras.utils.clear_session()
        initial = collect_weights(build(keras, PLAN.backbone, 2, side=None)) | {
            f"{LOGITS}/kernel": np.zeros((128, 2)),
            f"{LOGITS}/bias": np.array([-9, 9]),
        }
        run.network, _ = train(keras, PLAN, data, data, state, report, initial)
    return run


def test_the_weights_of_the_best_epoch_are_kept(run: Run) -> None:
    kept = collect_weights(run.network)
    assert len(run.after) == 3, "two epochs without gain"
    alike = [all(np.array_equal(kept[path], of[path]) for path in kept) for of in run.after]
    assert alike == [True, False, False]


def test_a_photo_that_has_no_label_is_neither_right_nor_wrong(run: Run) -> None:
    assert {figures[f"{LOGITS}_accuracy"] for figures in run.figures} == {1}


def test_the_figures_of_a_step_are_its_own(run: Run) -> None:
    assert run.begun_clean == [True] * 6


def test_too_little_memory_is_one_line() -> None:
    said = r"^8 pictures of 32 pixels .*smaller --batch"
    with pytest.raises(TrainingImpossible, match=said), _room_for(8, 32):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
    with pytest.raises(RuntimeError, match="another"), _room_for(8, 32):
        raise RuntimeError("another")
