"""The pictures of a training set, decoded once into one array on the disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from service.decode import Limits, decode, fit, read
from service.errors import FashionStudioError, TrainingImpossible
from service.storage import Location
from service.training.data import Sample, state_of

Progress = Callable[[int, int], None]


def load_pixels(
    samples: Sequence[Sample], side: int, cache: Path, progress: Progress
) -> tuple[list[Sample], np.ndarray]:
    """Decode every sample to (n, side, side, 3) uint8, memory-mapped, made once per set and side.

    Broken files are left out; the samples that remain come back with the array.
    """
    cache.mkdir(parents=True, exist_ok=True)
    key = json.dumps([side, [state_of(sample.file) for sample in samples]])
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


def _square(file: Location, side: int) -> np.ndarray | None:
    limits = Limits()
    try:
        return fit(decode(read(file, limits), limits, side=side).pixels, side)
    except FashionStudioError:
        return None
