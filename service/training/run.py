"""From sources to a bundle: read, split, train, measure on what was held out, write."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from service.alone import alone
from service.decode import Limits
from service.encoder import Card
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.keras import import_keras, require_backend
from service.encoder.write import move_bundle, require_place, require_title
from service.errors import BundleInvalid, InvalidParameter, TrainingImpossible
from service.settings import Settings
from service.storage import each, state_of
from service.training.batches import targets_of
from service.training.calibrate import calibrate_on
from service.training.curves import draw_curves
from service.training.data import Sample, label_order, names_of
from service.training.evaluate import held_out_figures
from service.training.fit import Data, train, write
from service.training.guess import guessed, require_bundle
from service.training.held_out import doubts
from service.training.learnt import learnt_before, written
from service.training.pixels import load_pixels
from service.training.plan import Plan
from service.training.selection import Selection, choose
from service.training.weights import initial_weights

BACKENDS = ("tensorflow", "jax", "torch")
MARGIN = 1.25  # pictures are kept this much larger than the largest one trained on, for zooming in


def train_bundle(
    settings: Settings,
    selection: Selection,
    out: Path,
    plan: Plan,
    *,
    name: str,
    version: str,
    weights: str,
    progress: Callable[[str, int, int], None],
    log: Callable[[str], None],
) -> Card:
    """Train and write the bundle `out`; its card's figures are of held-out photos, source by source.

    It is written when it was measured and calibrated, whole or not at all. weights: see
    `initial_weights`. The run's curves are drawn beside the bundle, as `out`.png.
    The accuracy after each epoch is of the first source's held-out photos.
    Raises `TrainingImpossible`, `SourceInvalid`, `StorageUnavailable`, `BundleInvalid`, `ExtraMissing`,
    `HomeNotWritable`, and `InvalidParameter` where `out` holds other files or a column is nowhere.
    """
    out = Path(os.path.abspath(out))
    require_place(out)
    require_title(name, version)
    if settings.precision == "int8":  # which is made of a bundle that is there, by quantize
        settings = settings.model_copy(update={"precision": "auto"})
    os.environ.setdefault("KERAS_HOME", str(settings.folder("training", "keras")))  # downloads
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if settings.runtime == "tensorflow" and backend != "tensorflow":
        raise InvalidParameter(
            f"FASHION_STUDIO_RUNTIME=tensorflow and KERAS_BACKEND={backend} are two for one process. "
            "Unset one of them."
        )
    if backend not in BACKENDS:
        raise InvalidParameter(f"KERAS_BACKEND is {backend}; training takes {', '.join(BACKENDS)}.")
    require_backend("tensorflow")  # imported as late as can be: what is refused is refused at once
    tasks, names = selection.tasks, list(names_of(selection.sources))
    asked = require_bundle(weights) if selection.guess else None
    training, held_out = choose(selection)
    labels = label_order([*training, *held_out], _usual_order())
    unseen = [sample for sample in held_out if sample.label is not None]
    if not unseen:
        raise TrainingImpossible(
            "Nothing can be held out: every group has more than a fifth of the photos of its source. "
            "Give more photos, or let --group hold fewer together."
        )
    for doubt in doubts(training, held_out, selection.groups, selection.garment):
        log(doubt)
    initial, origin = initial_weights(weights, plan.backbone, labels)
    before = learnt_before(weights)
    if known := before.doubt(unseen):
        log(known)
    run = settings.folder("training", _key(training, held_out, plan, selection, initial))
    side = round(max(*plan.sizes, plan.input_size) * MARGIN)
    cache = settings.folder("training", "pictures")

    def load(what: str, some: list[Sample]) -> Data:
        progress(what, 0, len(some))  # also where all are kept: steps that follow are counted anew
        kept, pixels = load_pixels(
            some, side, Limits.of(settings), cache, lambda n, of: progress(what, n, of)
        )
        if len(kept) < len(some):
            log(f"{len(some) - len(kept)} photos cannot be read and are left out.")
        return Data(kept, pixels, targets_of(kept, labels, tasks, selection.alike))

    def report(epoch: int, step: int, steps: int, logs: dict[str, float]) -> None:
        done = epoch * steps + step
        progress(f"epoch {epoch + 1}, loss {logs['loss']:.3f}", done, plan.epochs * steps)
        if "seconds" in logs:
            log(
                f"epoch {epoch + 1}/{plan.epochs}: {logs['side']:.0f} px, loss {logs['loss']:.3f}, "
                f"held-out accuracy {logs['held_out_accuracy']:.3f}, {logs['seconds']:.0f} s"
            )

    taken = TrainingImpossible("Another process is at this very training. Wait for it, or end it.")
    with alone(run / "lock", taken):
        guesses: dict[str, int] = {}
        if asked is not None:
            training, guesses = guessed(
                training, selection.guess, asked, settings, run / "guessed.json",
                lambda n, of: progress("guessing", n, of),
            )  # fmt: skip
        data = load("reading photos", training)
        if untaught := [name for name in labels if name not in {s.label for s in data.samples}]:
            raise TrainingImpossible(
                f"No photo of {untaught[0]} is left to learn from: those that can be read are all held "
                "out. Give more of it, or leave it out with --min-photos."
            )
        if alike := [task for task in tasks if len(data.targets.classes[task]) < 2]:
            raise TrainingImpossible(
                f"--task {alike[0]}: the photos to learn from have fewer than two values of it. Leave it "
                "out, or give photos of more."
            )
        watched = [sample for sample in unseen if sample.source == names[0]]
        held = load("reading held-out photos", watched or unseen)
        # A photo that could not be read, and now can, is learnt from the start on
        state, bundle = run / f"state-{len(data.samples)}.safetensors", run / "bundle"
        keras = import_keras("tensorflow")
        network, history = train(keras, plan, data, held, state, report, initial)
        facts: dict[str, Any] = {"name": name, "version": version, "labels": labels}
        facts["learnt"], learnt = written(data.samples, before)
        facts["training"] = {
            "sources": {name: sum(s.source == name for s in data.samples) for name in names},
            "groups": list(selection.groups),
            "learnt": learnt,
            "started_from": origin,
            "doubt": known,
            "plan": asdict(plan),
            "tasks": {task: len(data.targets.classes[task]) for task in tasks},
            "alike": dict(selection.alike),
            "guessed": guesses,
            "seconds": round(sum(row["seconds"] for row in history)),
            "held_out_accuracy_by_epoch": [round(r["held_out_accuracy"], 4) for r in history],
            "keras": keras.version(),
            "backend": keras.backend.backend(),
        }
        write(bundle, network, plan, **facts)
        figures = held_out_figures(bundle, settings, unseen, garment=selection.garment or "garment")
        write(bundle, network, plan, **facts, metrics={"held_out": figures})
        card = calibrate_on(settings, bundle, data.samples, held_out, progress=progress, log=log)
        move_bundle(bundle, out)
    try:
        if not draw_curves(out.with_name(f"{out.name}.png"), history):
            log("No curves are drawn: matplotlib is not installed.")
    except OSError as error:
        log(f"No curves are drawn: {error.strerror or error}.")
    return card


def _usual_order() -> tuple[str, ...]:
    """The shipped bundle's labels, so that a new one of the same categories keeps their order."""
    try:
        return read_card(SHIPPED).labels
    except BundleInvalid:
        return ()


def _key(
    training: Sequence[Sample],
    held_out: Sequence[Sample],
    plan: Plan,
    selection: Selection,
    initial: dict[str, np.ndarray],
) -> str:
    """The folder of a run's checkpoint: the same data, plan and first weights find it again."""
    columns = [*selection.tasks, *selection.alike]
    sides = [
        [
            [*state, s.label, s.group, s.garment, s.outlier, *map(s.columns.get, columns)]
            for s, state in zip(side, each(state_of, [s.file for s in side]), strict=True)
        ]
        for side in (training, held_out)
    ]
    key = hashlib.sha256(
        json.dumps(
            [sides, asdict(plan), selection.tasks, dict(selection.alike), selection.guess]
        ).encode()
    )
    for name in sorted(initial):
        key.update(name.encode())
        key.update(initial[name].tobytes())
    return key.hexdigest()[:16]
