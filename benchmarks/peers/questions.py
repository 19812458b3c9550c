"""What every contestant is asked, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Questions:
    """vectors: (q, 2048) float32. places: (q,) the label of each. rows: (q,) the catalog's row that
    each one is, or -1 for all where they are held out."""

    vectors: np.ndarray
    places: np.ndarray
    rows: np.ndarray


def held_out(vectors: np.ndarray, places: np.ndarray) -> Questions:
    """Garments that are not in the catalog, rounded to float16 as if they were stored."""
    rounded = vectors.astype(np.float16).astype(np.float32)
    return Questions(rounded, places, np.full(len(places), -1))


def from_catalog(embeddings: np.ndarray, shelf: np.ndarray, places: np.ndarray) -> Questions:
    """For each label in `places` a garment of it, drawn by chance."""
    rng = np.random.default_rng(7)
    of = {place: np.flatnonzero(shelf == place) for place in np.unique(places)}
    rows = np.array([rng.choice(of[place]) for place in places])
    return Questions(embeddings[rows].astype(np.float32), places, rows)


def rounds(places: np.ndarray, count: int, queries: int, labels: int) -> list[np.ndarray]:
    """Which questions each round asks: others in each, the labels in turn.

    Every label has the same number of questions a round, as far as there are that many; a quantile
    weights them by the label's share of the catalog. A contestant that is too slow for all of them
    asks the first ones, and so has met every label.
    """
    of = [np.flatnonzero(places == place) for place in range(labels)]
    most = np.array([len(questions) // count for questions in of])
    if (most[[len(questions) > 0 for questions in of]] == 0).any():
        raise SystemExit(f"There are too few queries of some label for {count} rounds.")
    quota = max(cap for cap in range(queries + 1) if np.minimum(most, cap).sum() <= queries)
    quota = np.minimum(most, max(1, quota))
    asked = []
    for number in range(count):
        turns = [
            (turn, questions[number * most[place] + turn])
            for place, questions in enumerate(of)
            for turn in range(quota[place])
        ]
        asked.append(np.array([question for _, question in sorted(turns, key=lambda t: t[0])]))
    return asked
