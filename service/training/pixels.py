"""The pictures of a training set, decoded once into one array on the disk."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from service.alone import alone
from service.decode import Limits, decode, fit, read
from service.errors import (
    FashionStudioError,
    HomeNotWritable,
    TrainingImpossible,
)
from service.processors import processors
from service.storage import Location, each, fetchers_of, state_of
from service.training.data import Sample

Progress = Callable[[int, int], None]


def load_pixels(
    samples: Sequence[Sample], side: int, limits: Limits, cache: Path, progress: Progress
) -> tuple[list[Sample], np.ndarray]:
    """Decode every sample to (n, side, side, 3) uint8, memory-mapped, made once per set and side.

    Broken files, and those beyond the limits, are left out; the samples that remain come back with the array.
    What was left out is tried again the next time, as it may have been a disk's fault, and comes last then.
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
                before = _written(kept) if array.exists() else None
                if before is None:
                    good = _decoded(files, side, limits, draft, progress)
                    draft.replace(array)
                else:
                    good = _mended(files, side, limits, array, before, progress)
                if good != before:
                    draft.write_text(json.dumps(good))
                    draft.replace(kept)  # at last: it says that all of them are there
            finally:
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise HomeNotWritable(f"{cache} cannot be written: {error.strerror or error}.") from None
    if not good:
        raise TrainingImpossible("None of the data's photos can be read.")
    return [samples[i] for i in good], np.load(array, mmap_mode="r")[: len(good)]


def _written(kept: Path) -> list[int] | None:
    """The numbers of the files whose pictures were written; None where nothing says so."""
    try:
        numbers: list[int] = json.loads(kept.read_text())
    except (FileNotFoundError, ValueError):  # of a machine that lost its power
        return None
    return numbers


def _decoded(
    files: Sequence[Location], side: int, limits: Limits, draft: Path, progress: Progress
) -> list[int]:
    """Write the pictures as an `.npy` with room for all; returns the numbers of files that can be read."""
    shape = (len(files), side, side, 3)
    with draft.open("wb") as array:
        npy.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": shape})
        begin = array.tell()
        good = _write(array, files, range(len(files)), side, limits, progress)
        array.truncate(begin + math.prod(shape))
    return good


def _mended(
    files: Sequence[Location],
    side: int,
    limits: Limits,
    written: Path,
    good: list[int],
    progress: Progress,
) -> list[int]:
    """Write what can be read now into the room behind the others, which another run may be reading."""
    left_out = sorted(set(range(len(files))).difference(good))
    with written.open("r+b") as array:
        array.seek(written.stat().st_size - len(left_out) * math.prod((side, side, 3)))
        return good + _write(array, files, left_out, side, limits, progress)


def _write(
    array: BinaryIO,
    files: Sequence[Location],
    numbers: Sequence[int],
    side: int,
    limits: Limits,
    progress: Progress,
) -> list[int]:
    """Write the pictures of these files behind each other; returns the numbers of those that can be read.

    As a stream: on a disk that is full, what is written through a memory map ends the process.
    """
    good = []
    workers = min(32, processors() + 4) + fetchers_of(files)
    with ThreadPoolExecutor(workers) as pool:
        pictures = pool.map(lambda number: square(files[number], side, limits), numbers)
        for done, (number, picture) in enumerate(zip(numbers, pictures, strict=True), start=1):
            if picture is not None:
                array.write(picture.tobytes())
                good.append(number)
            progress(done, len(numbers))
    return good


def square(file: Location, side: int, limits: Limits) -> np.ndarray | None:
    """A photo as (side, side, 3) uint8, None where it cannot be read. Raises `StorageUnavailable`."""
    try:
        return fit(decode(read(file, limits), limits, side=side).pixels, side)
    except FashionStudioError as error:
        if error.is_ours:
            raise
        return None
