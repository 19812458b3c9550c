"""The training run: stages of growing pictures, one checkpoint an epoch, a network at the end."""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.decode import fit as fit_square
from service.encoder.bundle import Card
from service.encoder.keras import assign_weights, collect_weights
from service.encoder.write import write_bundle
from service.errors import TrainingImpossible
from service.training import checkpoint
from service.training.batches import Targets, epoch_batches, sampling_weights
from service.training.data import Sample
from service.training.losses import named_accuracy, similarity
from service.training.network import FEATURES, LOGITS, build, freeze, with_tasks
from service.training.plan import Plan, best
from service.training.views import Views
from service.training.weights import start_from

NO_ROOM = re.compile("RESOURCE_EXHAUSTED|ResourceExhausted|OutOfMemory|out of memory|MemoryError")
TOGETHER = 64  # held-out pictures that the network is shown at a time
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
    initial: dict[str, np.ndarray],
) -> tuple[Any, list[dict[str, float]]]:
    """Train, going on from `state` where an earlier run of the same plan left off.

    initial: weights to start from, by Keras path; empty for chance.

    Returns the network for serving, (n, input_size, input_size, 3) -> [features, logits] in float32,
    and one row of figures an epoch. Raises `TrainingImpossible` where `state` is of another run.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(plan.seed)
    keras.config.set_dtype_policy(plan.precision)
    classes = {task: len(names) for task, names in data.targets.classes.items()}
    network = build(keras, plan.backbone, classes[LOGITS], side=None)
    if initial:
        start_from(network, initial)
    if plan.frozen is not None:
        freeze(keras, network, plan.frozen, initial)
        if not network.trainable_variables:
            raise TrainingImpossible(
                "--frozen 1 leaves all that --weights has as it is, and nothing is left to learn. Give less."
            )
    model = with_tasks(keras, network, {task: n for task, n in classes.items() if task != LOGITS})
    draws = plan.draws or len(data.samples)
    steps = draws // plan.batch
    if steps == 0:
        raise TrainingImpossible(
            f"{draws} photos do not fill one batch of {plan.batch}; use --batch."
        )
    _compile(keras, model, plan, steps, data.targets.shares)
    run = {"plan": asdict(plan), "classes": classes, "samples": len(data.samples)}
    run = json.loads(json.dumps(run))  # as the checkpoint gives it back
    history: list[dict[str, float]] = []
    finest = state.with_name(f"best-{state.name}")
    if (facts := checkpoint.read_facts(state)) is not None:
        if facts["run"] != run:
            raise TrainingImpossible(
                f"{state} belongs to a run with other settings or data. Delete it to start anew."
            )
        checkpoint.restore(state, _variables(model))
        history = facts["history"]
    weights = sampling_weights(data.samples)
    with Views(data.pixels) as views:
        while not plan.is_over(accuracies := [row["held_out_accuracy"] for row in history]):
            epoch, began = len(history), time.monotonic()
            side = plan.side(epoch)
            batches = epoch_batches(
                views, data.targets, weights, batch=plan.batch, draws=draws,
                paired=plan.similarity > 0, side=side, seed=(plan.seed, epoch),
            )  # fmt: skip
            sums: Counter[str] = Counter()
            for step, (images, wanted, sample_weights) in enumerate(batches, start=1):
                model.reset_metrics()  # which Keras itself did not always do here
                with _room_for(plan.batch, side):
                    logs = model.train_on_batch(
                        images, wanted, sample_weight=sample_weights, return_dict=True
                    )
                if not math.isfinite(logs["loss"]):
                    raise TrainingImpossible(
                        f"The loss is no number any more in epoch {epoch + 1}. Give a lower --rate."
                    )
                figures = {name: float(value) for name, value in logs.items()}
                sums.update(figures)
                report(epoch, step, steps, figures)
            row = {name: value / steps for name, value in sums.items()}
            row |= {
                "epoch": epoch + 1,
                "side": side,
                "held_out_accuracy": accuracy(network, held_out, plan),
            }
            row["seconds"] = round(time.monotonic() - began, 1)
            history.append(row)
            report(epoch, steps, steps, row)
            if plan.patience is not None and row["held_out_accuracy"] > max(accuracies, default=-1):
                checkpoint.save(finest, network.variables, {})
            checkpoint.save(state, _variables(model), {"run": run, "history": history})
    if plan.patience is not None and best(accuracies) < len(history) - 1:
        checkpoint.restore(finest, network.variables)
    return _for_serving(keras, network, classes[LOGITS], plan), history


@contextmanager
def _room_for(batch: int, side: int) -> Iterator[None]:
    """Each of Keras's backends has errors of its own for want of memory."""
    try:
        yield
    except Exception as error:
        if not NO_ROOM.search(f"{type(error).__name__}: {error}"):
            raise
        raise TrainingImpossible(
            f"{batch} pictures of {side} pixels at a time take more memory than there is. Give a smaller "
            "--batch."
        ) from error


def accuracy(network: Any, data: Data, plan: Plan) -> float:
    """Share of the labelled samples whose top label is right, at the size of serving."""
    rows = np.flatnonzero(data.targets.indices[LOGITS] >= 0)
    hits, together = 0, min(len(rows), TOGETHER)
    for start in range(0, len(rows), TOGETHER):
        part = rows[start : start + together]
        full = np.resize(part, together)  # XLA compiles anew for every number of pictures
        images = np.stack([fit_square(data.pixels[i], plan.input_size) for i in full])
        logits = np.asarray(network.predict_on_batch(images)[1])[: len(part)]
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


def _compile(keras: Any, model: Any, plan: Plan, steps: int, shares: np.ndarray) -> None:
    total = steps * plan.epochs
    warmup = min(total // 10, 2 * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        plan.rate / 50, total - warmup, alpha=0.005, warmup_target=plan.rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay, global_clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    tasks = [task for task in model.output if task != FEATURES]
    losses = {
        task: keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=plan.smoothing, reduction="mean_with_sample_weight"
        )
        for task in tasks
    }
    weights = dict.fromkeys(tasks, plan.task_weight) | {LOGITS: 1.0}
    model.compile(
        optimizer,
        loss=losses | {FEATURES: similarity(keras, shares)},
        loss_weights=weights | {FEATURES: plan.similarity},
        weighted_metrics={LOGITS: [named_accuracy(keras)]},
    )
    optimizer.build(model.trainable_variables)
    _build_losses(keras, model, len(shares))


def _build_losses(keras: Any, model: Any, alike: int) -> None:
    """Make the variables of losses and metrics, which the first step would make otherwise: for that
    Keras on TensorFlow traces the step twice, 10 to 20 seconds each.
    """
    shapes = {task: output.shape[-1] for task, output in model.output.items()}
    predicted = {task: keras.ops.zeros((2, width)) for task, width in shapes.items()}
    wanted = predicted | {FEATURES: keras.ops.zeros((2, 1 + alike), "int32")}
    weights = {task: keras.ops.ones(2) for task in shapes}
    model.compute_loss(None, wanted, predicted, weights)
    model.compute_metrics(None, wanted, predicted, weights)
    model.reset_metrics()


def _variables(model: Any) -> list[Any]:
    """Weights, dropout's random state and the optimizer's moments."""
    return [*model.variables, *model.optimizer.variables]


def _for_serving(keras: Any, network: Any, labels: int, plan: Plan) -> Any:
    weights = collect_weights(network)
    keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")
    served = build(keras, plan.backbone, labels, side=plan.input_size)
    assign_weights(served, weights)
    return served
