"""From sources to a bundle: read, split, train, measure on what was held out, write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.encoder import Card
from service.encoder.bundle import SHIPPED, read_card, read_weights
from service.encoder.keras import import_keras
from service.errors import BundleInvalid
from service.settings import Settings
from service.training.batches import targets_of
from service.training.calibrate import calibrate_on
from service.training.data import Sample, label_order, load_pixels, read_samples, split
from service.training.evaluate import held_out_figures
from service.training.fit import Data, Plan, train, write

MARGIN = 1.25  # pictures are kept this much larger than the largest one trained on, for zooming in


def train_bundle(
    settings: Settings,
    sources: Sequence[Path],
    out: Path,
    plan: Plan,
    *,
    name: str,
    version: str,
    weights: Path | None,
    groups: Sequence[str],
    tasks: Sequence[str],
    progress: Callable[[str, int, int], None],
    log: Callable[[str], None],
) -> Card:
    """Train and write the bundle `out`; its card's figures are of held-out photos, source by source.

    weights: a bundle to start from. groups, tasks: see `read_samples`, `targets_of`.
    The accuracy after each epoch is of the first source's held-out photos.
    Raises `TrainingImpossible`, `SourceInvalid`, `BundleInvalid`, `ExtraMissing`.
    """
    keras = import_keras("tensorflow")
    samples = read_samples(sources, groups=groups)
    labels = label_order(samples, _usual_order())
    training, held_out = split(samples)
    run = settings.folder("training", _key(samples, plan, tasks))
    side = round(max(*plan.sizes, plan.input_size) * MARGIN)
    cache = settings.folder("training", "pictures")

    def load(what: str, some: list[Sample]) -> Data:
        kept, pixels = load_pixels(some, side, cache, lambda n, of: progress(what, n, of))
        if len(kept) < len(some):
            log(f"{len(some) - len(kept)} photos cannot be read and are left out.")
        return Data(kept, pixels, targets_of(kept, labels, tasks))

    data = load("reading photos", training)
    unseen = [sample for sample in held_out if sample.label is not None]
    watched = [sample for sample in unseen if sample.source == sources[0].stem]
    held = load("reading held-out photos", watched or unseen)

    def report(epoch: int, step: int, steps: int, logs: dict[str, float]) -> None:
        done = epoch * steps + step
        progress(f"epoch {epoch + 1}, loss {logs['loss']:.3f}", done, plan.epochs * steps)
        if "seconds" in logs:
            log(
                f"epoch {epoch + 1}/{plan.epochs}: {logs['side']:.0f} px, loss {logs['loss']:.3f}, "
                f"held-out accuracy {logs['held_out_accuracy']:.3f}, {logs['seconds']:.0f} s"
            )

    network, history = train(
        keras, plan, data, held, run / "state.safetensors", report,
        read_weights(weights) if weights is not None else None,
    )  # fmt: skip
    facts: dict[str, Any] = {
        "name": name,
        "version": version,
        "labels": labels,
        "training": {
            "sources": {s.stem: sum(x.source == s.stem for x in data.samples) for s in sources},
            "started_from": read_card(weights).title if weights is not None else None,
            "plan": asdict(plan),
            "tasks": {task: len(data.targets.classes[task]) for task in tasks},
            "seconds": round(sum(row["seconds"] for row in history)),
            "held_out_accuracy_by_epoch": [round(r["held_out_accuracy"], 4) for r in history],
            "keras": keras.version(),
            "backend": keras.backend.backend(),
        },
    }
    write(out, network, plan, **facts)
    facts["metrics"] = {"held_out": held_out_figures(out, settings, unseen)}
    card = write(out, network, plan, **facts)
    if not unseen:
        return card
    return calibrate_on(settings, out, data.samples, held_out, progress=progress)


def _usual_order() -> tuple[str, ...]:
    """The shipped bundle's labels, so that a new one of the same categories keeps their order."""
    try:
        return read_card(SHIPPED).labels
    except BundleInvalid:
        return ()


def _key(samples: Sequence[Sample], plan: Plan, tasks: Sequence[str]) -> str:
    """The folder of a run's checkpoint: the same data and plan find it again."""
    what = [[str(s.file), s.label, s.group] for s in samples], asdict(plan), list(tasks)
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
