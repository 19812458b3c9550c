"""A bundle's calibration: temperature, and the threshold below which a picture shows no garment.

The detector is fitted to photos that were trained on, temperature and threshold to held-out ones. What
serves is fitted to all of these; the figures on the card are of each half of the held-out groups by what
was fitted to the other half.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from service.decode import Limits, fit
from service.encoder import Card, Encoder, load_encoder, read_card
from service.encoder.calibration import Detector
from service.encoder.prediction import softmax
from service.encoder.write import write_calibration
from service.errors import TrainingImpossible
from service.settings import Settings
from service.storage import Location
from service.training.data import Sample, by_known_label, read_samples, some_of, telling
from service.training.detector import fit_detector
from service.training.figures import (
    auroc,
    auroc_interval,
    calibration_error,
    reliability,
    rounded,
    wilson,
)
from service.training.held_out import split
from service.training.learnt import learnt_by
from service.training.nothing import pictures_of_nothing
from service.training.observe import Observed, observe

KEEP = 0.98
FITTED = (
    4000  # photos trained on that the detector is fitted to: more change nothing that is measured
)
NOTHING = 200  # pictures of nothing that it is fitted to, and as many others that it is measured on
Progress = Callable[[str, int, int], None]


def calibrate(
    settings: Settings,
    bundle: Path,
    sources: Sequence[Location],
    *,
    image_root: Location | None = None,
    groups: Sequence[str] = (),
    keep: float = KEEP,
    progress: Progress = lambda what, done, total: None,
    log: Callable[[str], None] = lambda line: None,
) -> Card:
    """Calibrate a bundle on the photos that `train` would hold out of these sources.

    sources, image_root, groups: as `read_samples` takes them. Nothing but the card's `calibration` and
    its detector changes. Raises `TrainingImpossible`, `SourceInvalid`, `StorageUnavailable`,
    `BundleInvalid`.
    """
    training, held_out = split(read_samples(sources, image_root=image_root, groups=groups))
    if said := learnt_by(bundle, read_card(bundle)).doubt(held_out):
        log(said)
    return calibrate_on(settings, bundle, training, held_out, keep=keep, progress=progress, log=log)


def calibrate_on(
    settings: Settings,
    bundle: Path,
    training: Sequence[Sample],
    held_out: Sequence[Sample],
    *,
    keep: float = KEEP,
    progress: Progress = lambda what, done, total: None,
    log: Callable[[str], None] = lambda line: None,
) -> Card:
    """`calibrate` with photos that are split already.

    keep: share of the held-out photos with a label, of each source, that must be recognised; pictures
    without a label are those that should not be. log: told of photos that cannot be read, and of those
    of a label that the bundle does not know: they are left out.
    """
    encoder: Encoder = load_encoder(settings.model_copy(update={"model": bundle}))
    labels = encoder.card.labels
    (training, strange), (held_out, others) = (
        by_known_label(side, labels) for side in telling(training, held_out)
    )
    if strange + others:
        names = sorted({str(sample.label) for sample in strange + others})
        log(
            f"{len(strange + others)} photos of labels that the bundle does not know are left out: "
            f"{', '.join(names[:5])}."
        )

    def observed(what: str, samples: Sequence[Sample]) -> Observed:
        found = observe(encoder, samples, Limits.of(settings), lambda n, of: progress(what, n, of))
        if found.left_out:
            log(f"{found.left_out} {what} cannot be read and are left out.")
        return found

    seen = observed("photos trained on", some_of(training, FITTED))
    held = observed("held-out photos", held_out)
    if not len(held.labelled):
        raise TrainingImpossible("No held-out photo has a label that the bundle knows.")
    detector = fit_detector(seen, _features(encoder, pictures_of_nothing(NOTHING, seed=0)))
    figures = _crossed(held, detector, keep)
    threshold = _threshold(held, detector, keep)
    nothing = detector.scores(_features(encoder, pictures_of_nothing(NOTHING, seed=1)))
    return write_calibration(
        bundle,
        encoder.card.content_sha256,
        temperature=_temperature(held) if _helps(held, figures) else 1.0,
        detector=Detector(detector.weights, detector.bias, threshold),
        measured={
            "temperature": "least negative log-likelihood of the first source's held-out labels; 1 "
            "where that does not lower the calibration error, or all of them are right",
            "score": "nearest label's mean and a linear discriminant on the unit embedding",
            "keep": keep,
            "held_out": {name: len(held.of_source(name).labelled) for name in held.sources},
            "without_label": int(held.is_other.sum()),
            "rejected_of_nothing": share(int((nothing < threshold).sum()), NOTHING),
            "figures": "each half of the held-out groups by what was fitted to the other half",
            "sources": figures,
        },
    )


def _features(encoder: Encoder, pictures: Iterable[np.ndarray]) -> np.ndarray:
    side = encoder.card.input_size
    with ThreadPoolExecutor(encoder.requests + 1) as pool:
        seen = pool.map(lambda picture: encoder.forward(fit(picture, side))[0], pictures)
        return np.concatenate(list(seen))


def _first_half(held: Observed) -> np.ndarray:
    """(n,) bool: half of the groups, the same in every run."""
    return np.array(
        [
            # As in `held_out`: a file's name need not be UTF-8
            hashlib.sha256(f"half/{s.group}".encode(errors="surrogateescape")).digest()[0] < 128
            for s in held.samples
        ],
        bool,
    )


def _temperature(held: Observed) -> float:
    """Of the first source's photos: it is what the bundle is for."""
    from scipy.optimize import (
        minimize_scalar,  # 0.3 s, which a server that only compares models saves
    )

    known = held.of_source(held.labelled.sources[0]).labelled
    rows = np.arange(len(known))

    def loss(log_temperature: float) -> float:
        probabilities = softmax(known.logits, math.exp(log_temperature))
        return -float(np.log(probabilities[rows, known.truth] + 1e-12).mean())

    return round(math.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x), 4)


def _threshold(held: Observed, detector: Detector, keep: float) -> float:
    """The highest that keeps the wanted share of every source's photos with a label."""
    known, lowest = held.labelled, []
    for name in known.sources:
        scores = np.sort(detector.scores(known.of_source(name).features))
        lowest.append(float(scores[math.floor((1 - keep) * len(scores) + 1e-9)]))
    return math.floor(min(lowest) * 1e4) / 1e4


def _helps(held: Observed, figures: dict[str, Any] | None) -> bool:
    first = (figures or {}).get(held.labelled.sources[0])
    known = held.of_source(held.labelled.sources[0]).labelled
    # Of too few photos nothing is measured, and where all are right a network cannot be too sure: the
    # temperature runs to one end
    if first is None or bool((known.logits.argmax(1) == known.truth).all()):
        return False
    return bool(first["calibration_error_after"] < first["calibration_error_before"])


def _crossed(held: Observed, detector: Detector, keep: float) -> dict[str, Any] | None:
    """Figures of each half by what was fitted to the other, of sources with photos in both; None where
    the first one, whose temperature it is, has not."""
    half = _first_half(held)
    in_both = [held.where(part).labelled.sources for part in (half, ~half)]
    halved = [name for name in held.labelled.sources if all(name in part for part in in_both)]
    if held.labelled.sources[0] not in halved:
        return None
    after = np.empty_like(held.logits, np.float64)
    recognised = np.empty(len(held), bool)
    scores = detector.scores(held.features)
    for part in (half, ~half):
        fitted = held.where(~part)
        after[part] = softmax(held.logits[part], _temperature(fitted))
        recognised[part] = scores[part] >= _threshold(fitted, detector, keep)
    before = softmax(held.logits)
    figures = {}
    for name in halved:
        own = np.array([sample.source == name for sample in held.samples], bool)
        known, others = own & (held.truth >= 0), own & held.is_other
        if not others.any():  # they may be a source of their own
            others = held.is_other
        errors = [
            calibration_error(reliability(probabilities[known], held.truth[known]))
            for probabilities in (before, after)
        ]
        figures[name] = {
            "photos": int(known.sum()),
            "calibration_error_before": round(errors[0], 4),
            "calibration_error_after": round(errors[1], 4),
            "recognised": share(int(recognised[known].sum()), int(known.sum())),
        }
        if others.any():
            figures[name] |= {
                "without_label": int(others.sum()),
                "rejected_without_label": share(
                    int((~recognised[others]).sum()), int(others.sum())
                ),
                "auroc": round(auroc(scores[known], scores[others]), 4),
                "auroc_interval_95": rounded(auroc_interval(scores[known], scores[others])),
            }
    return figures


def share(hits: int, trials: int) -> dict[str, Any]:
    """A share with its 95 % interval."""
    return {"share": round(hits / trials, 4), "interval_95": rounded(wilson(hits, trials))}
