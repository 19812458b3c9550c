"""How good a bundle's neighbours are: the same garment again, its category, its attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from service.encoder.calibration import unit
from service.training.figures import neighbours, rounded, wilson, wilson_mean
from service.training.observe import Observed

SHOWN = 9  # neighbours in an answer
FIRST = 10


def retrieval_figures(part: Observed, garment: str, attributes: Sequence[str]) -> dict[str, Any]:
    """Each photo with a label asks for the others of its source by cosine similarity.

    `same_garment`: among photos with another one of the same garment, those that find one first, and
    among the first ten. `precision_at_9`: share of the nine nearest of the same category, other photos
    of the same garment left out. `attributes`: share of the nearest nine of the same category that
    agree in a column, beside the share that chance would give, and the one of a perfect order: fewer
    than nine others may agree. Copies of a photo count once.
    """
    known = _once(part.labelled)
    embeddings, garments = unit(known.features), known.column(garment)
    views = max(Counter(garments[garments != ""]).values(), default=1)
    depth = max(FIRST, SHOWN + views - 1)  # others of the same garment may come first
    nearest = neighbours(embeddings, depth)
    same = _same(nearest, garments)
    shown = _first((nearest >= 0) & ~same, SHOWN)
    right = shown & (known.truth[nearest] == known.truth[:, None])
    of_category = np.full((len(known), depth), -1)
    for label in np.unique(known.truth):
        rows = np.flatnonzero(known.truth == label)
        found = neighbours(embeddings[rows], depth)
        of_category[rows] = np.where(found >= 0, rows[found], -1)
    within = _first((of_category >= 0) & ~_same(of_category, garments), SHOWN)
    return {
        "same_garment": _same_garment(same, garments),
        **_with_interval("precision_at_9", right.sum(axis=1), shown.sum(axis=1)),
        "attributes": {
            name: figures
            for name in attributes
            if (figures := _agreement(known, name, garments, of_category, within)) is not None
        },
    }


def _same(nearest: np.ndarray, garments: np.ndarray) -> np.ndarray:
    """(n, k) bool: whether a neighbour shows the same garment."""
    return (garments[nearest] == garments[:, None]) & (garments != "")[:, None] & (nearest >= 0)


def _once(known: Observed) -> Observed:
    """The first of photos with the very same embedding: each copy would find another one."""
    _, first = np.unique([hash(row.tobytes()) for row in known.features], return_index=True)
    chosen = np.zeros(len(known), bool)
    chosen[first] = True
    return known.where(chosen)


def _first(chosen: np.ndarray, n: int) -> np.ndarray:
    """The first n true values of each row."""
    return chosen & (np.cumsum(chosen, axis=1) <= n)


def _same_garment(same: np.ndarray, garments: np.ndarray) -> dict[str, Any] | None:
    sizes = Counter(garments)
    asked = np.array([name != "" and sizes[name] > 1 for name in garments], bool)
    if not asked.any():
        return None
    photos = int(asked.sum())
    figures: dict[str, Any] = {"photos": photos, "garments": len(set(garments[asked]))}
    for k in (1, FIRST):
        hits = int(same[asked, :k].any(axis=1).sum())
        figures[f"recall_at_{k}"] = round(hits / photos, 4)
        figures[f"recall_at_{k}_interval_95"] = rounded(wilson(hits, photos))
    return figures


def _agreement(
    known: Observed, name: str, garments: np.ndarray, nearest: np.ndarray, within: np.ndarray
) -> dict[str, Any] | None:
    values = known.column(name)
    has = values != ""
    if not has.any():
        return None
    compared = within & has[nearest] & has[:, None]
    if not compared.any():
        return None
    shown = compared.sum(axis=1)
    agree = (compared & (values[nearest] == values[:, None])).sum(axis=1)
    could_agree, others = _others(known.truth, values, garments, has)
    return {
        **_with_interval("agreement", agree, shown),
        "chance": _mean(could_agree, others),
        "best": _mean(np.minimum(could_agree, shown), shown),
    }


def _others(
    truth: np.ndarray, values: np.ndarray, garments: np.ndarray, has: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each photo, the others of its category that show another garment: those that agree, and all."""
    agree, compared = np.zeros((2, len(truth)), int)
    for label in np.unique(truth[has]):
        rows = np.flatnonzero(has & (truth == label))
        for row in rows:
            others = rows[
                (rows != row) & ((garments[rows] != garments[row]) | (garments[row] == ""))
            ]
            agree[row] = (values[others] == values[row]).sum()
            compared[row] = len(others)
    return agree, compared


def _with_interval(name: str, hits: np.ndarray, of: np.ndarray) -> dict[str, Any]:
    shares = _shares(hits, of)
    interval = rounded(wilson_mean(shares)) if len(shares) else None
    return {name: _mean(hits, of), f"{name}_interval_95": interval}


def _mean(hits: np.ndarray, of: np.ndarray) -> float | None:
    shares = _shares(hits, of)
    return round(float(shares.mean()), 4) if len(shares) else None


def _shares(hits: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Of each photo hits / of, where there is anything to hit."""
    asked = of > 0
    return hits[asked] / of[asked]
