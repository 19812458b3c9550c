"""The pictures of a training set, decoded once into one array on the disk."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from service.decode import Limits, decode, fit, read
from service.errors import (
    FashionStudioError,
    HomeNotWritable,
    StorageUnavailable,
    TrainingImpossible,
)
from service.processors import processors
from service.storage import Location, each, fetchers_of, state_of
from service.training.alone import alone
from service.training.data import Sample

Progress = Callable[[int, int], None]


def load_pixels(
    samples: Sequence[Sample], side: int, limits: Limits, cache: Path, progress: Progress
) -> tuple[list[Sample], np.ndarray]:
    """Decode every sample to (n, side, side, 3) uint8, memory-mapped, made once per set and side.

    Broken files, and those beyond the limits, are left out; the samples that remain come back with the array.
    Raises `TrainingImpossible` where none remains, `StorageUnavailable`, and `HomeNotWritable` where
    `cache` cannot be written.
    """
    files = [sample.file for sample in samples]
    key = json.dumps([side, asdict(limits), list(each(state_of, files))])
    stem = cache / hashlib.sha256(key.encode()).hexdigest()[:16]
    array, kept = stem.with_suffix(".npy"), stem.with_suffix(".json")
    draft = stem.with_suffix(".draft")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with alone(stem.with_suffix(".lock")):  # another run may read the same pictures
            try:
                if not kept.exists():
                    good = _decoded(files, side, limits, draft, progress)
                    draft.replace(array)
                    draft.write_text(json.dumps(good))
                    draft.replace(kept)  # at last: it says that both are there
            finally:
                draft.unlink(missing_ok=True)
            good = json.loads(kept.read_text())
    except OSError as error:
        raise HomeNotWritable(f"{cache} cannot be written: {error.strerror or error}.") from None
    if not good:
        raise TrainingImpossible("None of the data's photos can be read.")
    return [samples[i] for i in good], np.load(array, mmap_mode="r")[: len(good)]


def _decoded(
    files: Sequence[Location], side: int, limits: Limits, draft: Path, progress: Progress
) -> list[int]:
    """Write the pictures as an `.npy`; returns the numbers of the files that can be read.

    As a stream: on a disk that is full, what is written through a memory map ends the process.
    """
    shape, good = (len(files), side, side, 3), list[int]()
    workers = min(32, processors() + 4) + fetchers_of(files)
    with draft.open("wb") as array, ThreadPoolExecutor(workers) as pool:
        npy.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": shape})
        begin = array.tell()
        pictures = pool.map(lambda file: square(file, side, limits), files)
        for index, picture in enumerate(pictures):
            if picture is not None:
                array.write(picture.tobytes())
                good.append(index)
            progress(index + 1, len(files))
        array.truncate(begin + math.prod(shape))
    return good


def square(file: Location, side: int, limits: Limits) -> np.ndarray | None:
    """A photo as (side, side, 3) uint8, None where it cannot be read. Raises `StorageUnavailable`."""
    try:
        return fit(decode(read(file, limits), limits, side=side).pixels, side)
    except StorageUnavailable:
        raise
    except FashionStudioError:
        return None
