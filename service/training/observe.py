"""What the serving runtime says of many photos, kept as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from service.decode import Limits
from service.encoder import Encoder
from service.storage import fetchers_of
from service.training.data import Sample
from service.training.pixels import square

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Observed:
    """Photos with the network's numbers, row by row.

    features: (n, feature_size) float32. logits: (n, labels) float32. truth: (n,) index of the photo's
    label, -1 where it has none. left_out: photos that cannot be read.
    """

    samples: tuple[Sample, ...]
    features: np.ndarray
    logits: np.ndarray
    truth: np.ndarray
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    def where(self, chosen: np.ndarray) -> Observed:
        """The rows for which `chosen`, (n,) bool, is true."""
        samples = tuple(s for s, is_chosen in zip(self.samples, chosen, strict=True) if is_chosen)
        return Observed(samples, self.features[chosen], self.logits[chosen], self.truth[chosen])

    @property
    def labelled(self) -> Observed:
        return self.where(self.truth >= 0)

    @property
    def is_other(self) -> np.ndarray:
        """(n,) bool, photos that show none of the labels. Those of which that is not said are left out
        beforehand, see `data.telling`."""
        return self.truth < 0

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(sample.source for sample in self.samples))

    def of_source(self, source: str) -> Observed:
        return self.where(np.array([sample.source == source for sample in self.samples], bool))

    def column(self, name: str) -> np.ndarray:
        """(n,) values of one of the source's columns, empty where a photo has none."""
        return np.array([sample.columns.get(name, "") for sample in self.samples], object)


def observe(
    encoder: Encoder,
    samples: Sequence[Sample],
    limits: Limits,
    progress: Progress = lambda done, total: None,
) -> Observed:
    """Run the network over samples; labels that it does not know count as none.

    Raises `StorageUnavailable`.
    """
    card = encoder.card

    def forward(sample: Sample) -> tuple[np.ndarray, np.ndarray] | None:
        picture = square(sample.file, card.input_size, limits)
        return None if picture is None else encoder.forward(picture)

    kept: list[Sample] = []
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    workers = encoder.requests + 1 + fetchers_of(sample.file for sample in samples)
    with ThreadPoolExecutor(workers) as pool:
        for done, (sample, row) in enumerate(
            zip(samples, pool.map(forward, samples), strict=True), start=1
        ):
            progress(done, len(samples))
            if row is not None:
                kept.append(sample)
                rows.append(row)
    known = {label: place for place, label in enumerate(card.labels)}
    return Observed(
        samples=tuple(kept),
        features=np.concatenate(
            [np.empty((0, card.feature_size), np.float32), *(r[0] for r in rows)]
        ),
        logits=np.concatenate([np.empty((0, len(card.labels)), np.float32), *(r[1] for r in rows)]),
        truth=np.array([known.get(sample.label or "", -1) for sample in kept], int),
        left_out=len(samples) - len(kept),
    )
