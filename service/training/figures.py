"""Figures of merit, each a plain function of arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

BINS = 15
BLOCK = 1024  # rows of similarities held at once


def wilson(hits: float, trials: float, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927)."""
    share = hits / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def wilson_mean(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean of values from 0 to 1: of as many hits and misses as would vary so much.

    Of values that are 0 or 1 it is the one of `wilson`.
    """
    return _wilson_of(float(values.mean()), float(values.var() / len(values)), len(values))


def _wilson_of(mean: float, variance: float, trials: int) -> tuple[float, float]:
    if variance > 0:
        effective = mean * (1 - mean) / variance
        return wilson(mean * effective, effective)
    return wilson(mean * trials, trials)


def rounded(interval: tuple[float, float]) -> list[float]:
    """An interval as reports and cards have it."""
    return [round(bound, 4) for bound in interval]


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, photos) of the top labels, in bins of equal width.

    probabilities: (n, labels). truth: (n,) label indices. Empty bins are left out.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        (float(confidence[place == i].mean()), float(right[place == i].mean()), int(count))
        for i, count in enumerate(np.bincount(place, minlength=BINS))
        if count
    ]


def calibration_error(bins: list[tuple[float, float, int]]) -> float:
    """Expected calibration error: the mean gap of confidence and accuracy (Guo et al. 2017)."""
    photos = sum(count for _, _, count in bins)
    return sum(abs(sure - right) * count for sure, right, count in bins) / photos


def auroc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The probability that a positive scores above a negative; ties count half."""
    return float(_shares_below(negatives, positives).mean())


def auroc_interval(positives: np.ndarray, negatives: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of `auroc`: by its variance (DeLong et al. 1988), as `wilson_mean` has it."""
    above = _shares_below(negatives, positives)
    below = 1 - _shares_below(positives, negatives)
    variance = float(above.var() / len(above) + below.var() / len(below))
    return _wilson_of(float(above.mean()), variance, min(len(above), len(below)))


def _shares_below(those: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(n,) of each score, the share of those that lie below it; ties count half."""
    ordered = np.sort(those)
    below = np.searchsorted(ordered, scores, "left")
    not_above = np.searchsorted(ordered, scores, "right")
    return (below + not_above) / (2 * len(those))


def neighbours(features: np.ndarray, k: int) -> np.ndarray:
    """(n, k) rows by falling cosine similarity, each row's own left out; features: (n, d), unit length.

    -1 where there are fewer than k others.
    """
    n = len(features)
    found = np.full((n, k), -1)
    for rows in _blocks(n):
        similarities = features[rows] @ features.T
        similarities[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argsort(-similarities, axis=1, kind="stable")[:, : min(k, n - 1)]
        found[rows, : nearest.shape[1]] = nearest
    return found


def _blocks(n: int) -> Iterator[np.ndarray]:
    for start in range(0, n, BLOCK):
        yield np.arange(start, min(start + BLOCK, n))
