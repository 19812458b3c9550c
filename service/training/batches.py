"""Batches for training: which photos, and what is to be learnt of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.sources import LABEL
from service.training.data import Sample
from service.training.network import FEATURES, LOGITS
from service.training.views import Views


@dataclass(frozen=True, slots=True)
class Targets:
    """What is to be learnt of every sample.

    classes: task -> names in order. indices: task -> (n,) class index, -1 where the sample has none.
    outliers: (n,) bool, samples that show none of the labels.
    garments: (n,) number of the garment; photos with the same number show the same one.
    alike: (n, k) what garments are alike in, -1 where it is not known, and shares: (k,) float32, what each
    of these counts; see `losses.similarity`.
    """

    classes: dict[str, tuple[str, ...]]
    indices: dict[str, np.ndarray]
    outliers: np.ndarray
    garments: np.ndarray
    alike: np.ndarray
    shares: np.ndarray

    def wanted(self, task: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, classes) float32 probabilities, and (n,) weights: 0 where nothing is known.

        An outlier's label is each with the same probability (outlier exposure, Hendrycks et al. 2019).
        """
        chosen, count = self.indices[task][rows], len(self.classes[task])
        targets, weights = np.eye(count, dtype=np.float32)[chosen], chosen >= 0
        if task == LOGITS:
            targets[self.outliers[rows]] = 1 / count
            weights = weights | self.outliers[rows]
        return targets, weights.astype(np.float32)


def targets_of(
    samples: Sequence[Sample],
    labels: Sequence[str],
    tasks: Sequence[str],
    alike: Mapping[str, float] | None = None,
) -> Targets:
    """Targets for the labels and for every column named in `tasks`. alike: what each column that garments
    are alike in counts, beside the label, which counts 1 where it is not named.
    """
    counts = {LABEL: 1.0, **alike} if alike else {}
    columns: Mapping[str, list[str | None]] = {LOGITS: [sample.label for sample in samples]} | {
        task: [sample.columns.get(task) for sample in samples] for task in tasks
    }
    classes = {LOGITS: tuple(labels)} | {
        task: tuple(sorted({value for value in columns[task] if value})) for task in tasks
    }
    numbers = {
        name: number for number, name in enumerate(dict.fromkeys(s.garment for s in samples))
    }
    return Targets(
        classes=classes,
        indices={
            task: np.array([_index(classes[task], value) for value in values])
            for task, values in columns.items()
        },
        outliers=np.array([sample.outlier for sample in samples]),
        garments=np.array([numbers[sample.garment] for sample in samples]),
        alike=_alike(samples, tuple(counts)),
        shares=np.array(list(counts.values()), np.float32),
    )


def _alike(samples: Sequence[Sample], columns: Sequence[str]) -> np.ndarray:
    """(n, k) int32: of each sample the number of its value in each column, -1 where it has none: in all
    of them where it has no more than a label."""
    numbers: dict[str | None, int] = {None: -1}

    def row(sample: Sample) -> list[int]:
        known = {c: value for c in columns if c != LABEL and (value := sample.columns.get(c))}
        values = {LABEL: sample.label, **known} if known else {}
        return [numbers.setdefault(values.get(column), len(numbers)) for column in columns]

    return np.array([row(sample) for sample in samples], np.int32).reshape(len(samples), -1)


def _index(classes: tuple[str, ...], value: str | None) -> int:
    return classes.index(value) if value in classes else -1


def sampling_weights(samples: Sequence[Sample]) -> np.ndarray:
    """(n,) probabilities: a category of one source is drawn with the square root of its size."""
    kinds = [(sample.source, sample.label, sample.outlier) for sample in samples]
    sizes = Counter(kinds)
    weights = np.array([sizes[kind] ** -0.5 for kind in kinds])
    return weights / weights.sum()


def epoch_rows(
    garments: np.ndarray,
    weights: np.ndarray,
    rng: np.random.Generator,
    *,
    batch: int,
    draws: int,
    paired: bool,
) -> np.ndarray:
    """(draws // batch, batch) rows for one epoch.

    paired: the second half of a batch shows the garments of the first. Of a garment with several photos
    the second is another one, of the others it is the same photo, of which `augmented` makes another view.
    """
    if not paired:
        return _drawn(weights, draws // batch * batch, rng).reshape(-1, batch)
    alike: dict[int, list[int]] = defaultdict(list)
    for row, garment in enumerate(garments):
        alike[int(garment)].append(row)
    half = batch // 2
    first = _drawn(weights, draws // batch * half, rng)
    second = [
        int(rng.choice([other for other in alike[int(garments[row])] if other != row] or [row]))
        for row in first
    ]
    return np.hstack([first.reshape(-1, half), np.array(second).reshape(-1, half)])


def _drawn(weights: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(draws,) rows in any order, each `draws` times its weight, give or take one.

    Drawn one by one, a third of the photos would be missing from an epoch of as many as there are.
    """
    order = rng.permutation(len(weights))
    edges = np.cumsum(weights[order])
    steps = (np.arange(draws) + rng.random()) / draws * edges[-1]
    return rng.permutation(order[np.searchsorted(edges, steps, side="right")])


def epoch_batches(
    views: Views,
    targets: Targets,
    weights: np.ndarray,
    *,
    batch: int,
    draws: int,
    paired: bool,
    side: int,
    seed: tuple[int, int],
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """(images uint8, targets, sample weights) for one epoch.

    The target of the features is the garment's number and what it is alike in, see `losses.similarity`.
    seed: (run, epoch); the same pair gives the same batches, so a resumed run goes on as it would have.
    """
    chance = np.random.SeedSequence(seed)
    order = epoch_rows(
        targets.garments, weights, np.random.default_rng(chance),
        batch=batch, draws=draws, paired=paired,
    )  # fmt: skip
    for rows, images in zip(order, views.batches(order, side, chance), strict=True):
        pairs = {task: targets.wanted(task, rows) for task in targets.classes}
        similar = np.column_stack([targets.garments[rows], targets.alike[rows]])
        pairs[FEATURES] = similar, np.ones(len(rows), np.float32)
        yield (
            images,
            {task: pair[0] for task, pair in pairs.items()},
            {task: pair[1] for task, pair in pairs.items()},
        )
