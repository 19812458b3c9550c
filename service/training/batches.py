"""Batches for training, made ahead in a thread while the network computes."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.training.augment import augmented
from service.training.data import Sample
from service.training.network import LOGITS

AHEAD = 8  # batches


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be learnt of every sample, by task.

    classes: task -> names in order. indices: task -> (n,) class index, -1 where the sample has none.
    """

    classes: dict[str, tuple[str, ...]]
    indices: dict[str, np.ndarray]

    def one_hot(self, task: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, classes) float32, and (n,) weights: 0 where the sample has no class for this task."""
        chosen = self.indices[task][rows]
        return np.eye(len(self.classes[task]), dtype=np.float32)[chosen], (chosen >= 0).astype(
            np.float32
        )


def targets_of(samples: Sequence[Sample], labels: Sequence[str], tasks: Sequence[str]) -> Targets:
    """Targets for the labels and for every column named in `tasks`."""
    columns: Mapping[str, list[str | None]] = {LOGITS: [sample.label for sample in samples]} | {
        task: [sample.columns.get(task) for sample in samples] for task in tasks
    }
    classes = {LOGITS: tuple(labels)} | {
        task: tuple(sorted({value for value in columns[task] if value})) for task in tasks
    }
    return Targets(
        classes=classes,
        indices={
            task: np.array([_index(classes[task], value) for value in values])
            for task, values in columns.items()
        },
    )


def _index(classes: tuple[str, ...], value: str | None) -> int:
    return classes.index(value) if value in classes else -1


def sampling_weights(samples: Sequence[Sample]) -> np.ndarray:
    """(n,) probabilities: a category of one source is drawn with the square root of its size."""
    sizes = Counter((sample.source, sample.label) for sample in samples)
    weights = np.array([sizes[sample.source, sample.label] ** -0.5 for sample in samples])
    return weights / weights.sum()


def epoch_batches(
    pixels: np.ndarray,
    targets: Targets,
    weights: np.ndarray,
    *,
    batch: int,
    side: int,
    seed: tuple[int, int],
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """(images float32, one-hot targets, sample weights) for one epoch.

    seed: (run, epoch); the same pair gives the same batches, so a resumed run goes on as it would have.
    """
    rng = np.random.default_rng(seed)
    order = rng.choice(len(pixels), size=len(pixels) // batch * batch, p=weights)
    ready: queue.Queue[tuple | None] = queue.Queue(AHEAD)
    stop = threading.Event()

    def produce() -> None:
        for rows in order.reshape(-1, batch):
            images = np.stack([augmented(pixels[row], side, rng) for row in rows])
            pairs = {task: targets.one_hot(task, rows) for task in targets.classes}
            ready.put(
                (
                    images.astype(np.float32),
                    {task: pair[0] for task, pair in pairs.items()},
                    {task: pair[1] for task, pair in pairs.items()},
                )
            )
            if stop.is_set():
                return
        ready.put(None)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            yield item
    finally:
        stop.set()
