"""What tells pictures of the labels from others: fitted to embeddings, see ADR 0020."""

from __future__ import annotations

import numpy as np

from service.encoder.calibration import Detector, unit
from service.errors import TrainingImpossible
from service.training.observe import Observed

LARGEST = 1000.0  # weight: embeddings that hardly differ would give more than float16 holds
RIDGE = 3.0  # of the features' mean variance


def fit_detector(observed: Observed, nothing: np.ndarray) -> Detector:
    """Nearest to a label's mean, and on its side of what has no label.

    The first part is the squared distance of the unit embedding to the nearest mean of a label in a
    source. The second is the regularised linear discriminant (Fisher 1936) between the photos with a
    label, every source weighing the same, and those without, among which are the pictures of nothing.
    nothing: (n, feature_size) float32, the network's features of these.
    Each is divided by its deviation on the photos with a label. The sum is linear for each mean.
    Raises `TrainingImpossible` where no photo has a label.
    """
    known = observed.labelled
    others = unit(np.concatenate([observed.features[observed.is_other], nothing]))
    if not len(known):
        raise TrainingImpossible("None of the photos has a label that the bundle knows.")
    embeddings = unit(known.features)
    source = np.array([sample.source for sample in known.samples])
    means = np.stack(
        [
            embeddings[chosen].mean(axis=0)
            for name in known.sources
            for label in range(observed.logits.shape[1])
            if (chosen := (source == name) & (known.truth == label)).any()
        ]
    )
    nearness = Detector(2 * means, -(means**2).sum(axis=1))
    scale = _deviation(nearness.scores(known.features))
    weights, bias = nearness.weights / scale, nearness.bias / scale
    if len(others):
        direction = _discriminant([embeddings[source == name] for name in known.sources], others)
        weights = weights + direction / _deviation(embeddings @ direction)
    excess = max(1.0, float(np.abs(weights).max()) / LARGEST)
    weights, bias = weights / excess, bias / excess
    weights = weights.astype(np.float16).astype(np.float32)  # as it will be stored
    return Detector(weights, bias.astype(np.float32))


def _discriminant(parts: list[np.ndarray], others: np.ndarray) -> np.ndarray:
    parts = [*parts, others]
    weights = np.concatenate([np.full(len(part), 1 / len(part)) for part in parts])
    weights /= weights.sum()
    values = np.concatenate(parts).astype(np.float64)
    known = np.arange(len(values)) < len(values) - len(others)
    centred = values - weights @ values
    spread = (centred * weights[:, None]).T @ centred
    spread[np.diag_indices_from(spread)] += RIDGE * np.trace(spread) / len(spread)
    between = (weights * (known - weights @ known)) @ centred
    return np.linalg.solve(spread, between).astype(np.float32)


def _deviation(scores: np.ndarray) -> float:
    return max(float(scores.std()), 1e-6)
