"""What one round of questions gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Round:
    """Of each question: seconds, its label's place, its weight, found of wanted neighbours."""

    seconds: np.ndarray
    places: np.ndarray
    weights: np.ndarray
    found: np.ndarray
    wanted: np.ndarray
    cores: float

    @classmethod
    def joined(cls, rounds: Sequence[Round]) -> Round:
        arrays = ("seconds", "places", "weights", "found", "wanted")
        return cls(
            *(np.concatenate([getattr(one, name) for one in rounds]) for name in arrays), cores=0.0
        )

    def quantile(self, share: float) -> float:
        return weighted_quantile(self.seconds, self.weights, share)

    def recall(self, chosen: np.ndarray | slice = slice(None)) -> float | None:
        """The share of neighbours found, questions weighted by their labels; None without any."""
        weights = self.weights[chosen]
        wanted = (self.wanted[chosen] * weights).sum()
        return float((self.found[chosen] * weights).sum() / wanted) if wanted else None

    def recalls(self) -> dict[int, float]:
        """By the label's place."""
        found = {int(place): self.recall(self.places == place) for place in np.unique(self.places)}
        return {place: recall for place, recall in found.items() if recall is not None}


def weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The smallest value that at least `share` of the weight does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, share - 1e-9)])
