"""Samples of a training set: read, split by group, and decoded once into one array on disk."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from service.decode import Limits, decode, fit, read
from service.errors import FashionStudioError, TrainingImpossible
from service.sources import Item, read_source
from service.storage import Location

HELD_OUT = 0.2  # the seed project's 80:20
NONE = "none"  # in place of a label: the photo shows none of the categories
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo.

    label: None where only its further columns are known. outlier: whether it is known to show none of
    the categories. garment: equal for photos of the same garment.
    """

    file: Location
    source: str
    label: str | None
    group: str
    columns: dict[str, str] = field(default_factory=dict)
    outlier: bool = False
    garment: str = ""


def read_samples(
    sources: Sequence[Path], *, groups: Sequence[str] = (), garment: str | None = None
) -> list[Sample]:
    """All samples of all sources.

    groups: columns whose values are never split between training and held-out photos (a photographer,
    a garment); of several the first that a source has. By default each file is a group.
    garment: column whose equal values are photos of the same garment. By default each file is one.
    """
    samples = []
    for source in sources:
        for item in read_source(source):
            samples.append(
                Sample(
                    file=item.file,
                    source=source.stem,
                    label=None if item.label == NONE else item.label,
                    group=f"{source.stem}/{_group(item, groups)}",
                    columns={name: value for name, value in item.columns.items() if value},
                    outlier=item.label == NONE,
                    garment=f"{source.stem}/{_group(item, (garment,) if garment else ())}",
                )
            )
    return samples


def split(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """(training, held-out) without a group in both, about 80:20 within each source.

    Groups go by the hash of their name, so the same group falls on the same side in every run.
    """
    held: set[str] = set()
    for source in {sample.source for sample in samples}:
        sizes = Counter(sample.group for sample in samples if sample.source == source)
        wanted = HELD_OUT * sizes.total()
        for name in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
            if sizes[name] <= wanted * 1.1:
                held.add(name)
                wanted -= sizes[name]
    training = [sample for sample in samples if sample.group not in held]
    return training, [sample for sample in samples if sample.group in held]


def selected(samples: Sequence[Sample], *, at_least: int, at_most: int | None) -> list[Sample]:
    """The samples without the categories that have fewer than `at_least`, and with no more than
    `at_most` of each of the others: those whose path hashes lowest, the same in every run.

    The seed project's rules are 2,000 and 7,000. Samples without a label stay.
    """
    places: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.label is not None:
            places[sample.label].append(sample)
    kept: set[int] = set()
    for category in places.values():
        if len(category) >= at_least:
            kept.update(id(s) for s in sorted(category, key=_hash_of_file)[:at_most])
    return [sample for sample in samples if sample.label is None or id(sample) in kept]


def _hash_of_file(sample: Sample) -> bytes:
    return hashlib.sha256(sample.file.as_posix().encode()).digest()


def label_order(samples: Sequence[Sample], preferred: Sequence[str]) -> tuple[str, ...]:
    """The labels found: those of `preferred` in its order, then the others by name.

    Raises `TrainingImpossible` for fewer than two categories, or a category of one photo.
    """
    counts = Counter(sample.label for sample in samples if sample.label is not None)
    if len(counts) < 2:
        raise TrainingImpossible(
            f"The data has {len(counts)} categor{'y' if len(counts) == 1 else 'ies'}; "
            "at least two are needed."
        )
    lonely = sorted(label for label, count in counts.items() if count < 2)
    if lonely:
        raise TrainingImpossible(
            f"The category {lonely[0]} has one photo; at least two are needed."
        )
    known = [label for label in preferred if label in counts]
    return (*known, *sorted(set(counts) - set(known)))


def load_pixels(
    samples: Sequence[Sample], side: int, cache: Path, progress: Progress
) -> tuple[list[Sample], np.ndarray]:
    """Decode every sample to (n, side, side, 3) uint8, memory-mapped, made once per set and side.

    Broken files are left out; the samples that remain come back with the array.
    """
    cache.mkdir(parents=True, exist_ok=True)
    key = json.dumps(
        [side, [[str(s.file), s.file.stat().st_size if s.file.exists() else -1] for s in samples]]
    )
    stem = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    array, kept = stem.with_suffix(".npy"), stem.with_suffix(".json")
    if not kept.exists():
        pixels = np.lib.format.open_memmap(array, "w+", np.uint8, (len(samples), side, side, 3))
        good: list[int] = []
        with ThreadPoolExecutor() as pool:
            for index, square in enumerate(pool.map(lambda s: _square(s.file, side), samples)):
                if square is not None:
                    pixels[len(good)] = square
                    good.append(index)
                progress(index + 1, len(samples))
        pixels.flush()
        kept.write_text(json.dumps(good))
    good = json.loads(kept.read_text())
    if not good:
        raise TrainingImpossible("None of the data's photos can be read.")
    return [samples[i] for i in good], np.load(array, mmap_mode="r")[: len(good)]


def _group(item: Item, groups: Sequence[str]) -> str:
    return next((item.columns[name] for name in groups if item.columns.get(name)), item.name)


def _square(file: Path, side: int) -> np.ndarray | None:
    limits = Limits()
    try:
        return fit(decode(read(file, limits), limits, side=side).pixels, side)
    except FashionStudioError:
        return None
