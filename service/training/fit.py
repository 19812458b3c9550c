"""The training run: stages of growing pictures, one checkpoint an epoch, a bundle at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.decode import fit as fit_square
from service.encoder.bundle import Card, write_bundle
from service.encoder.keras import collect_weights
from service.errors import TrainingImpossible
from service.training import checkpoint
from service.training.batches import Targets, epoch_batches, sampling_weights
from service.training.data import Sample
from service.training.network import LOGITS, build, with_tasks


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    sizes: sides of the training pictures, pixels; the epochs are shared out among them in this order.
    input_size: side at which the bundle is served. rate: peak of AdamW's learning rate.
    task_weight: weight of each further task's loss beside the labels' loss.
    """

    epochs: int = 24
    sizes: tuple[int, ...] = (96, 112)
    input_size: int = 128
    batch: int = 32
    rate: float = 2e-3
    weight_decay: float = 0.02
    smoothing: float = 0.1
    task_weight: float = 0.3
    precision: str = "mixed_bfloat16"
    seed: int = 0

    def side(self, epoch: int) -> int:
        return self.sizes[min(epoch * len(self.sizes) // self.epochs, len(self.sizes) - 1)]


Report = Callable[[int, int, int, dict[str, float]], None]  # epoch, step, steps, logs


@dataclass(frozen=True, slots=True)
class Data:
    """Samples, their pictures (n, s, s, 3) uint8, and what is to be learnt of them."""

    samples: Sequence[Sample]
    pixels: np.ndarray
    targets: Targets


def train(
    keras: Any,
    plan: Plan,
    data: Data,
    held_out: Data,
    state: Path,
    report: Report,
    initial: dict[str, np.ndarray] | None = None,
) -> tuple[Any, list[dict[str, float]]]:
    """Train, going on from `state` where an earlier run of the same plan left off.

    initial: weights to start from, by Keras path, as of a bundle; those of another shape (the last
    layer of another label set) are left to chance.

    Returns the network for serving, (n, input_size, input_size, 3) -> [features, logits] in float32,
    and one row of figures an epoch. Raises `TrainingImpossible` where `state` is of another run.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(plan.seed)
    keras.config.set_dtype_policy(plan.precision)
    classes = {task: len(names) for task, names in data.targets.classes.items()}
    network = build(keras, classes[LOGITS], side=None)
    if initial is not None:
        _start_from(network, initial)
    model = with_tasks(keras, network, {task: n for task, n in classes.items() if task != LOGITS})
    steps = len(data.samples) // plan.batch
    if steps == 0:
        raise TrainingImpossible(
            f"{len(data.samples)} photos do not fill one batch of {plan.batch}; use --batch."
        )
    _compile(keras, model, plan, steps)
    run = {"plan": _plain(asdict(plan)), "classes": classes, "samples": len(data.samples)}
    history: list[dict[str, float]] = []
    if (facts := checkpoint.read_facts(state)) is not None:
        if facts["run"] != run:
            raise TrainingImpossible(
                f"{state} belongs to a run with other settings or data. Delete it to start anew."
            )
        checkpoint.restore(state, _variables(model))
        history = facts["history"]
    weights = sampling_weights(data.samples)
    for epoch in range(len(history), plan.epochs):
        began, side = time.monotonic(), plan.side(epoch)
        model.reset_metrics()
        batches = epoch_batches(
            data.pixels, data.targets, weights, batch=plan.batch, side=side, seed=(plan.seed, epoch)
        )
        logs: dict[str, float] = {}
        for step, (images, wanted, sample_weights) in enumerate(batches, start=1):
            logs = model.train_on_batch(
                images, wanted, sample_weight=sample_weights, return_dict=True
            )
            report(epoch, step, steps, {name: float(value) for name, value in logs.items()})
        row = {name: float(value) for name, value in logs.items()}
        row |= {
            "epoch": epoch + 1,
            "side": side,
            "held_out_accuracy": accuracy(network, held_out, plan),
        }
        row["seconds"] = round(time.monotonic() - began, 1)
        history.append(row)
        report(epoch, steps, steps, row)
        checkpoint.save(state, _variables(model), {"run": run, "history": history})
    return _for_serving(keras, network, classes[LOGITS], plan), history


def accuracy(network: Any, data: Data, plan: Plan) -> float:
    """Share of the labelled samples whose top label is right, at the size of serving."""
    rows = np.flatnonzero(data.targets.indices[LOGITS] >= 0)
    hits = 0
    for part in np.array_split(rows, max(1, len(rows) // 64)):
        images = np.stack([fit_square(data.pixels[i], plan.input_size) for i in part])
        logits = np.asarray(network.predict_on_batch(images.astype(np.float32))[1])
        hits += int((logits.argmax(1) == data.targets.indices[LOGITS][part]).sum())
    return hits / max(1, len(rows))


def write(folder: Path, network: Any, plan: Plan, **facts: Any) -> Card:
    """Write a trained network as a bundle; `facts` are the card's name, version, labels, metrics, …"""
    return write_bundle(
        folder,
        network=network.to_json(),
        weights=collect_weights(network),
        input_size=plan.input_size,
        feature_size=int(network.outputs[0].shape[-1]),
        **facts,
    )


def _compile(keras: Any, model: Any, plan: Plan, steps: int) -> None:
    total = steps * plan.epochs
    warmup = min(total // 10, 2 * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        plan.rate / 50, total - warmup, alpha=0.005, warmup_target=plan.rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay, global_clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    tasks = list(model.output)
    model.compile(
        optimizer,
        loss={
            task: keras.losses.CategoricalCrossentropy(
                from_logits=True,
                label_smoothing=plan.smoothing,
                reduction="mean_with_sample_weight",
            )
            for task in tasks
        },
        loss_weights={task: 1.0 if task == LOGITS else plan.task_weight for task in tasks},
        weighted_metrics={LOGITS: [keras.metrics.CategoricalAccuracy(name="accuracy")]},
    )
    optimizer.build(model.trainable_variables)


def _start_from(network: Any, initial: dict[str, np.ndarray]) -> None:
    placed = 0
    for variable in network.weights:
        value = initial.get(variable.path)
        if value is not None and tuple(value.shape) == tuple(variable.shape):
            variable.assign(value.astype(np.float32))
            placed += 1
    if placed < len(network.weights) // 2:
        raise TrainingImpossible("The initial weights are of another network.")


def _variables(model: Any) -> list[Any]:
    """Weights, dropout's random state and the optimizer's moments."""
    return [*model.variables, *model.optimizer.variables]


def _for_serving(keras: Any, network: Any, labels: int, plan: Plan) -> Any:
    weights = network.get_weights()
    keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")
    served = build(keras, labels, side=plan.input_size)
    served.set_weights(weights)
    return served


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
