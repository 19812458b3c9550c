"""What neighbours say of a garment: whether its label fits, whether it stands alone, whether it is
there twice; and from which similarity on neighbours share a label. Numpy and SciPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Precisions that thresholds are looked for of."""

FEWEST = 20  # garments, or pairs, from which a median or a share is worth something
DIGITS = 6  # of a cosine that float32 can tell apart
TO_DEVIATION = 1.4826  # a median absolute deviation, of normal values, to their standard deviation


@dataclass(frozen=True, slots=True)
class Votes:
    """Of each garment: neighbours with its own label, the label most frequent among the others, -1
    where there is none, and neighbours with that one; (n,) each."""

    same: np.ndarray
    suggested_label: np.ndarray
    suggested: np.ndarray


def votes(labels: np.ndarray, places: np.ndarray) -> Votes:
    """Neighbours vote (Wilson 1972, "Asymptotic properties of nearest neighbor rules using edited data").

    labels: (n,) numbers from 0. places: (n, k) of the neighbours, nearest first; of labels that are as
    frequent the nearer one is suggested.
    """
    theirs = labels[places]
    same = (theirs == labels[:, None]).sum(axis=1)
    suggested_label, suggested = np.full(len(labels), -1), np.zeros(len(labels), int)
    for rank in range(places.shape[1]):
        candidate = theirs[:, rank]
        count = (theirs == candidate[:, None]).sum(axis=1)
        better = (candidate != labels) & (count > suggested)
        suggested_label[better], suggested[better] = candidate[better], count[better]
    return Votes(same, suggested_label, suggested)


def isolation(labels: np.ndarray, nearest: np.ndarray, twice: np.ndarray) -> np.ndarray:
    """How far the cosine to the nearest lies below its label's median, (n,) in robust standard
    deviations (modified z-score; Iglewicz and Hoaglin 1993, who call 3.5 an outlier).

    labels, nearest: (n,). twice: (n,) bool, which are there twice: their nearest are copies, which tell
    nothing of others. Similarities of different labels do not compare; a label of few garments is measured
    by all.
    """
    if twice.all():
        return np.zeros(len(nearest))
    found = _deviations(nearest, nearest[~twice])
    for label in np.unique(labels):
        own = labels == label
        telling = nearest[own & ~twice]
        if len(telling) >= FEWEST:
            found[own] = _deviations(nearest[own], telling)
    return found


def _deviations(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    median = np.median(of)
    spread = TO_DEVIATION * np.median(np.abs(of - median))
    return np.zeros(len(values)) if spread == 0 else (median - values) / spread


def duplicate_groups(places: np.ndarray, cosines: np.ndarray, similarity: float) -> np.ndarray:
    """Of each garment the lowest place in its group, -1 where it is alone; (n,).

    Two that are at least so similar are in one group, and so are those that they are so similar to.
    """
    from scipy.sparse import coo_array  # a fifth of the time that every command takes to start
    from scipy.sparse.csgraph import connected_components

    rows, ranks = np.nonzero(cosines >= similarity)
    size = len(places)
    pairs = coo_array((np.ones(len(rows), bool), (rows, places[rows, ranks])), shape=(size, size))
    _, component = connected_components(pairs, directed=False)
    _, first, members = np.unique(component, return_index=True, return_counts=True)
    return np.where(members[component] > 1, first[component], -1)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least similarity from which on a share of at least `wanted` of a label's neighbours bear it.

    similarity, precision: None where no similarity reaches it. pairs: from there on. share: of all.
    """

    label: int
    wanted: float
    similarity: float | None
    precision: float | None
    pairs: int
    share: float


def thresholds(
    labels: np.ndarray,
    given: np.ndarray,
    places: np.ndarray,
    cosines: np.ndarray,
    *,
    below: float,
) -> list[Threshold]:
    """Of each label that has enough pairs, for each of `LEVELS`.

    given: (n,) bool, whose label is known; pairs of others tell nothing. below: pairs from this cosine
    on are the same picture twice, which tells nothing either.
    """
    known = given[:, None] & given[places] & (cosines < below)
    found = []
    for label in np.unique(labels[given]):
        own = (labels == label)[:, None] & known
        values = cosines[own].astype(float)
        order = np.argsort(-values, kind="stable")
        if len(order) < FEWEST:
            continue
        values, right = values[order], (labels[places] == label)[own][order]
        alike = values.round(DIGITS)
        precision = right.cumsum() / np.arange(1, len(order) + 1)
        precision[: FEWEST - 1] = 0
        ends = np.append(alike[1:] < alike[:-1], True)  # who takes one of a tie takes them all
        for wanted in LEVELS:
            reached = np.flatnonzero((precision >= wanted) & ends)
            if not len(reached):
                found.append(Threshold(int(label), wanted, None, None, 0, 0.0))
                continue
            last = reached[-1]
            found.append(
                Threshold(
                    int(label),
                    wanted,
                    float(values[last]),
                    float(precision[last]),
                    int(last) + 1,
                    (int(last) + 1) / len(order),
                )
            )
    return found
