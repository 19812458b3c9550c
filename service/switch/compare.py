"""The serving model and the one beside it, on the same garments: is the new one at least as good?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Engine

from service.catalog import (
    RECALL_MINIMUM,
    Agreement,
    Reembedding,
    Sampled,
    agreement,
    category_names,
    measure_recall,
    sample_garments,
    shelves,
    similar,
)
from service.domain import Match
from service.errors import FashionStudioError, GarmentNotFound
from service.images import Images
from service.model import Model
from service.training.figures import rounded, wilson

QUERIES = 200  # garments whose neighbours are compared
PHOTOS = 12  # shown to both networks for their speed
K = 10
SLOWER = 2.0  # times as slow as the old one counts as a regression
LESS_RECALL = 0.01  # than the old index has; two measurements differ by 0.004 and more
FELT_MS = 5.0  # less is what one run differs from the next by


@dataclass(slots=True)
class Comparison:
    """What was measured, as the table and the JSON show it, and what is wrong with it.

    regressions: a line for each figure that is worse than the margin allows.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    regressions: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return self.figures | {"regressions": self.regressions}


def compare(
    engine: Engine,
    beside_engine: Engine,
    beside: Reembedding,
    old: Model,
    new: Model,
    images: Images,
    *,
    margin: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Compare labels on all garments, neighbours on some, and what an answer takes.

    margin: share of right labels, or of right neighbours, that may be lost; 0 to 1.
    """
    found = Comparison()
    common = [label for label in old.card.labels if label in new.card.labels]
    _labels(found, agreement(engine, beside, common), margin)
    sample = sample_garments(engine, beside, QUERIES)
    _neighbours(found, engine, beside_engine, sample, common, margin, progress)
    _recall(found, engine, beside_engine)
    _speed(found, old, new, images, sample[:PHOTOS])
    return found


def _labels(found: Comparison, counted: Sequence[Agreement], margin: float) -> None:
    seen, agree = (sum(getattr(c, name) for c in counted) for name in ("garments", "agree"))
    given, old, new, lost, won = (
        sum(getattr(c, name) for c in counted)
        for name in ("given", "old_right", "new_right", "lost", "won")
    )
    found.figures["garments"] = seen
    found.figures["label_agreement"] = _share(agree, seen)
    found.figures["accuracy"] = {
        "given_labels": given,
        "old": _share(old, given),
        "new": _share(new, given),
        "difference": _difference(won, lost, given),
        "by_label": {
            c.label: {"given": c.given, "old": c.old_right, "new": c.new_right}
            for c in counted
            if c.given
        },
    }
    if given and (new - old) / given < -margin:
        found.regressions.append(
            f"It names {new} of {given} given labels rightly, the old model {old}: "
            f"more than {margin:.0%} fewer."
        )


def _neighbours(
    found: Comparison,
    engine: Engine,
    beside_engine: Engine,
    sample: Sequence[Sampled],
    common: Sequence[str],
    margin: float,
    progress: Callable[[int, int], None],
) -> None:
    labels = category_names(engine)
    overlaps, gains = [], []
    right: dict[str, list[float]] = {"old": [], "new": []}
    ms: dict[str, list[float]] = {"old": [], "new": []}
    for done, garment in enumerate(sample, start=1):
        matches: dict[str, tuple[Match, ...]] = {}
        progress(done, len(sample))
        try:
            for name, where in (("old", engine), ("new", beside_engine)):
                began = time.perf_counter()
                matches[name], _ = similar(where, garment.id, labels=labels, n=K)
                ms[name].append(1000 * (time.perf_counter() - began))
        except GarmentNotFound:  # it went meanwhile
            continue
        ids = [{match.id for match in matches[name]} for name in ("old", "new")]
        if not any(ids):
            continue
        overlaps.append(len(ids[0] & ids[1]) / max(len(ids[0]), len(ids[1])))
        # What one model alone can say of a neighbour is neither right nor wrong
        same = {
            name: [match.label == garment.given_label for match in nearest if match.label in common]
            for name, nearest in matches.items()
        }
        if garment.given_label in common and all(same.values()):
            for name in ("old", "new"):
                right[name].append(statistics.fmean(same[name]))
            gains.append(right["new"][-1] - right["old"][-1])
    found.figures["neighbours"] = {
        "queries": len(sample),
        f"overlap_at_{K}": _mean(overlaps),
        f"same_label_at_{K}": {name: _mean(right[name]) for name in ("old", "new")},
        "difference": _mean(gains),
        "search_ms_p50": _require_quick(found, "A search takes", ms),
    }
    if gains and statistics.fmean(gains) < -margin:
        found.regressions.append(
            f"Of the nearest {K} garments {statistics.fmean(right['new']):.0%} have the given label, "
            f"with the old model {statistics.fmean(right['old']):.0%}."
        )


def _recall(found: Comparison, engine: Engine, beside_engine: Engine) -> None:
    """Low recall is a regression where the old index has more: that of very many garments has less than
    the least at best."""
    recalls = {
        shelf.label: round(measure_recall(beside_engine, shelf.label), 4)
        for shelf in shelves(beside_engine)
        if shelf.method == "hnsw"
    }
    found.figures["index_recall"] = recalls
    low = {label: recall for label, recall in recalls.items() if recall < RECALL_MINIMUM}
    for shelf in shelves(engine) if low else ():
        if shelf.label not in low:
            continue
        old = measure_recall(engine, shelf.label) if shelf.method == "hnsw" else 1.0
        if low[shelf.label] < old - LESS_RECALL:
            found.regressions.append(
                f"The index of {shelf.label} recalls {low[shelf.label]:.3f}, under {RECALL_MINIMUM}; "
                f"with the old model {old:.3f} were found."
            )


def _speed(
    found: Comparison, old: Model, new: Model, images: Images, sample: Sequence[Sampled]
) -> None:
    """Both networks in turn on the same photos, so that both see the same machine."""
    ms: dict[str, list[float]] = {"old": [], "new": []}
    for garment in sample:
        for name, model in (("old", old), ("new", new)):
            try:
                image = model.decode(images.read(garment.image_path))
            except FashionStudioError:
                continue
            began = time.perf_counter()
            model.predict(image)
            ms[name].append(1000 * (time.perf_counter() - began))
    found.figures["photo_ms_p50"] = _require_quick(found, "A photo takes the network", ms)


def _require_quick(
    found: Comparison, what: str, ms: dict[str, list[float]]
) -> dict[str, float | None]:
    """Medians of what each model took, in ms; a regression where the new one is too slow."""
    took = {name: _median(taken) for name, taken in ms.items()}
    old, new = took["old"], took["new"]
    if old and new and new > max(SLOWER * old, old + FELT_MS):
        found.regressions.append(
            f"{what} {new:.0f} ms, with the old model {old:.0f}: more than {SLOWER:g} times as long."
        )
    return took


def _share(hits: int, count: int) -> dict[str, Any] | None:
    """A share of 0 to 1 with its 95 % interval; None of nothing."""
    if not count:
        return None
    return {
        "share": round(hits / count, 4),
        "interval_95": rounded(wilson(hits, count)),
    }


def _difference(won: int, lost: int, count: int) -> dict[str, Any] | None:
    """Of two shares of the same garments; normal interval of the paired difference."""
    if not count:
        return None
    return _interval(
        (won - lost) / count, ((won + lost) / count - ((won - lost) / count) ** 2) / count
    )


def _mean(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    return _interval(float(np.mean(values)), float(np.var(values)) / len(values))


def _interval(mean: float, variance: float) -> dict[str, Any]:
    half = 1.96 * max(variance, 0.0) ** 0.5
    return {"mean": round(mean, 4), "interval_95": [round(mean - half, 4), round(mean + half, 4)]}


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None
