"""How good a bundle is on photos it has not seen, by the runtime that serves it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from service.decode import Limits, decode, fit, read
from service.domain import Prediction
from service.encoder import load_encoder
from service.errors import FashionStudioError
from service.settings import Settings
from service.training.data import Sample


def held_out_figures(
    bundle: Path, settings: Settings, samples: Sequence[Sample]
) -> dict[str, dict[str, Any]]:
    """Source by source: top-1 and top-3 accuracy, 95 % interval, recall and photos per category."""
    encoder = load_encoder(settings.model_copy(update={"model": bundle}))
    limits, side = Limits(), encoder.card.input_size

    def predict(sample: Sample) -> Prediction | None:
        try:
            picture = decode(read(sample.file, limits), limits, side=side)
        except FashionStudioError:
            return None  # said when the pictures were read for training
        return encoder.predict(fit(picture.pixels, side))

    by_source: dict[str, list[tuple[Sample, Prediction]]] = defaultdict(list)
    with ThreadPoolExecutor(encoder.requests + 1) as pool:
        for sample, answer in zip(samples, pool.map(predict, samples), strict=True):
            if answer is not None:
                by_source[sample.source].append((sample, answer))
    return {source: _figures(pairs) for source, pairs in by_source.items()}


def _figures(pairs: Sequence[tuple[Sample, Prediction]]) -> dict[str, Any]:
    total = Counter(str(sample.label) for sample, _ in pairs)
    right = Counter(answer.label for sample, answer in pairs if answer.label == sample.label)
    top3 = sum(sample.label in {s.label for s in answer.labels[:3]} for sample, answer in pairs)
    hits = right.total()
    return {
        "photos": len(pairs),
        "top1": round(hits / len(pairs), 4),
        "top1_interval_95": [round(bound, 4) for bound in wilson(hits, len(pairs))],
        "top3": round(top3 / len(pairs), 4),
        "recall": {
            label: {"photos": count, "recall": round(right[label] / count, 4)}
            for label, count in sorted(total.items())
        },
    }


def wilson(hits: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927)."""
    share = hits / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return (centre - spread) / scale, (centre + spread) / scale
