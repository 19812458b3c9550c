"""Random views of photos, made on the other cores while the network computes.

One core makes 500 to 1,000 a second, of 224 to 112 pixels. In processes, as threads would share Python's
lock with each other and with the calls that drive the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType

import numpy as np

from service.errors import TrainingImpossible
from service.processes import process_pool
from service.processors import processors
from service.training.augment import augmented

AHEAD = 4  # batches that wait for the network, beside those being made


class Views:
    """Photos from which views are taken, with the processes that take them; a context manager.

    pixels: (n, s, s, 3) uint8. What is mapped from a file is read from there by every process.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self._workers = max(1, processors() - 1)
        mapped = getattr(pixels, "filename", None)
        self._pool = process_pool(self._workers, _open, pixels if mapped is None else Path(mapped))

    def __enter__(self) -> Views:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def batches(
        self, order: np.ndarray, side: int, chance: np.random.SeedSequence
    ) -> Iterator[np.ndarray]:
        """A new view of every photo, (batch, side, side, 3) uint8, for each row of `order`.

        order: (batches, batch) numbers of photos. Equal chance gives equal views, on any machine.
        Raises `TrainingImpossible` where one of the processes was ended.
        """
        ahead: deque[Future[np.ndarray]] = deque()
        try:
            for rows, seed in zip(order, chance.spawn(len(order)), strict=True):
                ahead.append(self._pool.submit(_views, rows, side, seed))
                if len(ahead) >= self._workers + AHEAD:
                    yield ahead.popleft().result()
            yield from (future.result() for future in ahead)
        except BrokenProcessPool:
            raise TrainingImpossible(
                "A process that makes views of the photos was ended, perhaps for want of memory. Give "
                "the same command again: it goes on after the last whole epoch."
            ) from None


_photos: np.ndarray  # of a worker


def _open(pixels: Path | np.ndarray) -> None:
    global _photos
    _photos = np.load(pixels, mmap_mode="r") if isinstance(pixels, Path) else pixels


def _views(rows: Iterable[int], side: int, seed: np.random.SeedSequence) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([augmented(_photos[row], side, rng) for row in rows])
