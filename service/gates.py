"""What each gate costs and gains: which labels a query searches, measured on labelled photos."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.catalog import is_empty, similar
from service.decode import read
from service.domain import Prediction
from service.errors import CatalogEmpty, FashionStudioError, SourceInvalid
from service.model import Model
from service.recommend import Query, labels_to_search
from service.storage import Location, fetchers_of
from service.studio import Studio
from service.training.data import Sample, by_known_label, read_samples, some_of
from service.training.figures import rounded, wilson
from service.training.held_out import split
from service.training.learnt import learnt_by

MASSES = (0.5, 0.8, 0.9, 0.95, 0.99)
TIMED = 500  # photos that are searched for; the others cost no time in the database
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Gate:
    """One gate and what was measured of it.

    opened: photos whose right label was among those searched. labels: how many were searched, of each
    photo. ms, methods, right: of each photo searched for, the milliseconds, how it was answered, and
    the share of its matches that bear its label, where it has any. found: of each photo, whether one does,
    no where no garment was recognised and nothing is searched.
    """

    name: str
    query: Query
    opened: int = 0
    labels: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    methods: Counter[str] = field(default_factory=Counter)
    right: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        photos = len(self.labels)
        return {
            "gate": self.name,
            "right_label_searched": round(self.opened / photos, 4),
            "interval_95": rounded(wilson(self.opened, photos)),
            "labels_searched": round(float(np.mean(self.labels)), 2),
            "right_matches": _mean(self.right),
            "some_right_match": _mean(self.found),
            "ms_p50": _percentile(self.ms, 50),
            "ms_p95": _percentile(self.ms, 95),
            "methods": dict(self.methods),
        }


def _percentile(values: Sequence[float], q: float) -> float | None:
    return round(float(np.percentile(values, q)), 2) if values else None


def _mean(shares: Sequence[float]) -> float | None:
    return round(float(np.mean(shares)), 4) if shares else None


@dataclass(frozen=True, slots=True)
class Report:
    """photos: classified, each once. searched: of these, photos that were searched for and timed.
    left_out: photos that cannot be read, or whose label the bundle does not know. doubt: why they
    flatter, where the bundle learnt from some."""

    photos: int
    searched: int
    left_out: int
    gates: tuple[Gate, ...]
    doubt: str | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "photos": self.photos,
            "searched": self.searched,
            "left_out": self.left_out,
            "doubt": self.doubt,
            "gates": [gate.as_dict() for gate in self.gates],
        }


@dataclass(frozen=True, slots=True)
class _Asked:
    label: str
    prediction: Prediction
    sha256: str


def report_gates(
    studio: Studio,
    sources: Sequence[Location],
    *,
    image_root: Location | None = None,
    n: int = 9,
    groups: Sequence[str] = (),
    held_out: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Measure every gate on photos with labels, against the catalog as it is.

    sources, image_root: as `ingest` takes them. n: matches asked for. held_out: only the fifth that
    `train` holds out of these sources with these `groups`. A photo that the catalog has does not match
    itself. The searches of one photo follow each other, in another order for each, so that all gates see
    the same machine.

    Raises `SourceInvalid` where no photo has a label, `InvalidParameter`, `CatalogEmpty`,
    `StorageUnavailable`.
    """
    gates = (
        Gate("auto", Query(n=n)),
        *(Gate(f"mass={mass:g}", Query(n=n, mass=mass)) for mass in MASSES),
        Gate("any", Query(n=n, label="any")),
    )
    if is_empty(studio.engine):
        raise CatalogEmpty()
    samples = read_samples(sources, image_root=image_root, groups=groups)
    if held_out:
        samples = split(samples)[1]
    samples = [sample for sample in samples if sample.label is not None]
    if not samples:
        raise SourceInvalid("None of the photos has a label.")
    model = studio.model
    doubt = learnt_by(model.folder, model.card).doubt(samples)
    asked = _classified(model, by_known_label(samples, model.labels)[0], progress)
    if not asked:
        raise SourceInvalid("None of the photos can be read and has a label that the bundle knows.")
    for gate in gates:
        for photo in asked:
            searched = _searched(photo, gate, model)
            gate.labels.append(len(searched))
            gate.opened += photo.label in searched
    timed = some_of(asked, TIMED)
    _search(studio, model, gates, timed, progress)
    return Report(len(asked), len(timed), len(samples) - len(asked), gates, doubt)


def _classified(model: Model, samples: Sequence[Sample], progress: Progress) -> list[_Asked]:
    def ask(sample: Sample) -> _Asked | None:
        try:
            image = model.decode(read(sample.file, model.limits))
            return _Asked(str(sample.label), model.predict(image), image.sha256)
        except FashionStudioError as error:
            if error.is_ours:
                raise
            return None

    asked = []
    workers = model.encoder.requests + 1 + fetchers_of(sample.file for sample in samples)
    with ThreadPoolExecutor(workers) as pool:
        for done, photo in enumerate(pool.map(ask, samples), start=1):
            progress("classifying", done, len(samples))
            if photo is not None:
                asked.append(photo)
    return asked


def _searched(photo: _Asked, gate: Gate, model: Model) -> tuple[str, ...]:
    own = photo.prediction.labels if photo.prediction.recognised else ()
    return labels_to_search(own, gate.query, model.labels)


def _search(
    studio: Studio,
    model: Model,
    gates: Sequence[Gate],
    photos: Sequence[_Asked],
    progress: Progress,
) -> None:
    for turn, photo in enumerate(photos):
        first = turn % len(gates)
        for gate in (*gates[first:], *gates[:first]):
            searched = _searched(photo, gate, model)
            if not searched:
                gate.found.append(0.0)
                continue
            began = time.perf_counter()
            matches, method = similar(
                studio.engine,
                photo.prediction.embedding,
                labels=searched,
                n=gate.query.n,
                content=photo.sha256,
                model_id=model.id,
            )
            gate.ms.append(1000 * (time.perf_counter() - began))
            gate.methods[method] += 1
            right = sum(match.label == photo.label for match in matches)
            gate.found.append(float(right > 0))
            if matches:
                gate.right.append(right / len(matches))
        progress("searching", turn + 1, len(photos))
