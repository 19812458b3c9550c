"""How good a bundle is on photos it has not seen, by the runtime that serves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.decode import Limits
from service.encoder import load_encoder
from service.encoder.bundle import Card, read_calibrated
from service.encoder.calibration import Detector
from service.encoder.prediction import softmax
from service.errors import SourceInvalid
from service.settings import Settings
from service.training.calibrate import share
from service.training.data import Sample, by_known_label, telling
from service.training.figures import (
    auroc,
    auroc_interval,
    calibration_error,
    reliability,
    rounded,
    wilson,
)
from service.training.observe import Observed, observe
from service.training.retrieval import retrieval_figures

ATTRIBUTES = ("family", "pattern", "sleeve")  # what drawn garments have: colour family, and so on
Progress = Callable[[int, int], None]


def evaluate(
    bundle: Path,
    settings: Settings,
    samples: Sequence[Sample],
    *,
    garment: str = "garment",
    attributes: Sequence[str] = ATTRIBUTES,
    by: str | None = None,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Every figure of a bundle on these photos, source by source; as JSON has it.

    garment: column that says which photos show the same garment. attributes: columns that neighbours
    should agree in. by: column that photos without a label are told apart by.
    A photo whose label the bundle does not know is left out and counted. Raises `BundleInvalid`, and
    `SourceInvalid` where fewer than two categories are left, `StorageUnavailable`.
    """
    card, detector = read_calibrated(bundle)
    (telling_ones,) = telling(samples)
    known, strange = by_known_label(telling_ones, card.labels)
    unknown = sorted({str(sample.label) for sample in strange})
    _require_two_labels(known, card, unknown)
    encoder = load_encoder(settings.model_copy(update={"model": bundle}))
    observed = observe(encoder, known, Limits.of(settings), progress)
    _require_two_labels(observed.samples, card, unknown)
    others = observed.where(observed.is_other)

    def rejection(part: Observed) -> dict[str, Any]:
        own = others.of_source(part.samples[0].source)
        # What shows no garment may be a source of its own
        return _rejection(part.labelled, own if len(own) else others, detector, by)

    return {
        "bundle": card.title,
        "content_sha256": card.content_sha256,
        "runtime": encoder.description,
        "calibrated": card.calibration is not None,
        "labels": list(card.labels),
        "unreadable": observed.left_out,
        "unknown_labels": unknown,
        "of_unknown_labels": len(strange),
        "sources": {
            name: {
                **recognition_figures(part, card),
                "retrieval": retrieval_figures(part, garment, attributes),
                "rejection": rejection(part),
            }
            for name in observed.sources
            if len((part := observed.of_source(name)).labelled)
        },
    }


def held_out_figures(
    bundle: Path,
    settings: Settings,
    samples: Sequence[Sample],
    *,
    garment: str = "garment",
    attributes: Sequence[str] = ATTRIBUTES,
) -> dict[str, dict[str, Any]]:
    """What a card says, source by source: accuracy, each category's recall and precision, and how good
    the neighbours are, with 95 % intervals and counts. See `evaluate`."""
    encoder = load_encoder(settings.model_copy(update={"model": bundle}))
    observed = observe(encoder, samples, Limits.of(settings)).labelled
    return {
        name: _brief(recognition_figures(part, encoder.card))
        | {"retrieval": retrieval_figures(part, garment, attributes)}
        for name in observed.sources
        if len(part := observed.of_source(name))
    }


def _brief(figures: dict[str, Any]) -> dict[str, Any]:
    names = ("photos", "top1", "top1_interval_95", "top3", "top3_interval_95")
    categories = {label: row for label, row in figures["categories"].items() if row["photos"]}
    return {name: figures[name] for name in names} | {"categories": categories}


def recognition_figures(part: Observed, card: Card) -> dict[str, Any]:
    """Accuracy, confusion and calibration of one source's photos that have a label."""
    known = part.labelled
    order = np.argsort(-known.logits, axis=1, kind="stable")
    photos = len(known)
    top1 = int((order[:, 0] == known.truth).sum())
    top3 = int((order[:, :3] == known.truth[:, None]).any(axis=1).sum())
    counts = np.zeros((len(card.labels), len(card.labels)), int)
    np.add.at(counts, (known.truth, order[:, 0]), 1)
    bins = {
        name: reliability(softmax(known.logits, temperature), known.truth)
        for name, temperature in (("before", 1.0), ("after", card.softmax_temperature))
    }
    return {
        "photos": photos,
        "top1": round(top1 / photos, 4),
        "top1_interval_95": _interval(top1, photos),
        "top3": round(top3 / photos, 4),
        "top3_interval_95": _interval(top3, photos),
        "categories": {label: _category(counts, place) for place, label in enumerate(card.labels)},
        "confusion": counts.tolist(),
        "calibration": {
            "temperature": card.softmax_temperature,
            "error_before": round(calibration_error(bins["before"]), 4),
            "error_after": round(calibration_error(bins["after"]), 4),
            "bins": {
                name: [[round(sure, 4), round(right, 4), n] for sure, right, n in rows]
                for name, rows in bins.items()
            },
        },
    }


def _category(counts: np.ndarray, place: int) -> dict[str, Any]:
    hits, photos, named = counts[place, place], counts[place].sum(), counts[:, place].sum()
    return {
        "photos": int(photos),
        "named": int(named),
        "recall": round(float(hits / photos), 4) if photos else None,
        "recall_interval_95": _interval(int(hits), int(photos)) if photos else None,
        "precision": round(float(hits / named), 4) if named else None,
        "precision_interval_95": _interval(int(hits), int(named)) if named else None,
    }


def _rejection(
    known: Observed, others: Observed, detector: Detector | None, by: str | None
) -> dict[str, Any]:
    """What is recognised, and how well each score tells photos with a label from those of none."""
    figures: dict[str, Any] = {"without_label": len(others)}
    if detector is not None:
        figures["recognised"] = share(int(detector.recognises(known.features).sum()), len(known))
    if not len(others):
        return figures
    scores = {name: score(known) for name, score in SCORES.items()}
    wrong = {name: score(others) for name, score in SCORES.items()}
    if detector is not None:
        scores["detector"] = detector.scores(known.features)
        wrong["detector"] = detector.scores(others.features)
        rejected = ~detector.recognises(others.features)
        figures["rejected_without_label"] = share(int(rejected.sum()), len(others))
    figures["auroc"] = {name: round(auroc(scores[name], wrong[name]), 4) for name in scores}
    figures["auroc_interval_95"] = {
        name: rounded(auroc_interval(scores[name], wrong[name])) for name in scores
    }
    if by is not None:
        best = "detector" if detector is not None else "max_probability"
        values = others.column(by)
        figures["by"] = {
            value or "–": {
                "photos": int(chosen.sum()),
                "auroc": round(auroc(scores[best], wrong[best][chosen]), 4),
                "rejected": round(float(rejected[chosen].mean()), 4) if detector else 0.0,
            }
            for value in sorted(set(values))
            if (chosen := values == value).any()
        }
    return figures


SCORES: dict[str, Callable[[Observed], np.ndarray]] = {  # each high where a label fits
    "max_probability": lambda part: softmax(part.logits).max(axis=1),
    "max_logit": lambda part: part.logits.max(axis=1),
    "energy": lambda part: np.logaddexp.reduce(part.logits, axis=1),  # Liu et al. 2020
    "feature_norm": lambda part: np.linalg.norm(part.features, axis=1),
}


def _interval(hits: int, trials: int) -> list[float]:
    return rounded(wilson(hits, trials))


def _require_two_labels(samples: Sequence[Sample], card: Card, unknown: Sequence[str]) -> None:
    found = {sample.label for sample in samples if sample.label is not None}
    if len(found) > 1:
        return
    if unknown and not found:
        raise SourceInvalid(
            f"{card.title} knows none of the labels {', '.join(unknown[:5])}; "
            f"its labels are: {', '.join(card.labels)}."
        )
    only = f"only the category {min(map(str, found))}" if found else "no photo with a label"
    strange = f" {card.title} does not know {', '.join(unknown[:5])}." if unknown else ""
    raise SourceInvalid(
        f"The data has {only} that can be read; at least two categories are needed.{strange}"
    )
