"""The nearest garments of every garment, at once: numpy on embeddings that may lie on the disk.

As in a search (see `projection`), principal components lead to candidates and whole embeddings order
them. All components are multiplied with all, in blocks; of each product only the best are kept:
garments are dealt into tiles, and the m best lie in the m tiles with the best maxima, which are found
many times faster than the garments themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from service.catalog.garments.embeddings import of_unit_length
from service.catalog.schema.tables import COMPONENTS
from service.catalog.similarity.projection import SAMPLE, SLACK, fit

CANDIDATES = 30  # of each garment, whose embeddings are compared whole
MORE, MOST_CANDIDATES = 4, 480  # where they may not be enough, as in `search`
NEARLY = 0.95  # share of a distance that components hold: at most 0.94 for 99 of 100 neighbours
TILE = 64  # garments in a tile
SCORES = 2**25  # products held at once: 128 MB
ROWS = 256  # garments asked for at once, at most
PIECE = 4096  # embeddings read at once: 32 MB as float32


@dataclass(frozen=True, slots=True)
class Block:
    """Garments `start` and following: the places of their nearest, (rows, k) int64, nearest first,
    and the cosines to them, (rows, k) float32."""

    start: int
    places: np.ndarray
    cosines: np.ndarray


def nearest_of_all(embeddings: np.ndarray, k: int) -> Iterator[Block]:
    """Of every row the k rows most like it by cosine, itself left out; fewer where there are fewer.

    embeddings: (n, 2048) float16, none of length 0, in memory or mapped. Memory: about 600 bytes a
    row and 300 MB.
    """
    rows = len(embeddings)
    k = min(k, rows - 1)
    if k < 1:
        for start in range(rows):
            yield Block(start, np.empty((1, 0), np.int64), np.empty((1, 0), np.float32))
        return
    field = Field(embeddings)
    size = max(1, min(ROWS, SCORES // field.padded))
    for start in range(0, rows, size):
        yield field.ask(np.arange(start, min(start + size, rows)), k)


class Field:
    """The rows among which neighbours are looked for."""

    def __init__(self, embeddings: np.ndarray) -> None:
        rows = len(embeddings)
        sample = np.random.default_rng(0).permutation(rows)[:SAMPLE]
        projection = fit(np.asarray(embeddings[np.sort(sample)]))
        self.embeddings = embeddings
        self.padded = -(-rows // TILE) * TILE
        # A product with (components, 1) orders by distance: a·b - |b|²/2 = (|a|² - |a - b|²) / 2
        self.components = np.zeros((self.padded, COMPONENTS + 1), np.float32)
        self.components[rows:, -1] = -np.inf
        for at in range(0, rows, PIECE):
            piece = projection(np.asarray(embeddings[at : at + PIECE])).astype(np.float32)
            found = self.components[at : at + len(piece)]
            found[:, : piece.shape[1]] = piece
            found[:, -1] = (piece**2).sum(axis=1) / -2

    def ask(self, asked: np.ndarray, k: int) -> Block:
        places = np.empty((len(asked), k), np.int64)
        cosines = np.empty((len(asked), k), np.float32)
        scores = self._scores(asked)
        lengths = -2 * self.components[asked, -1]
        pending, candidates = np.arange(len(asked)), max(CANDIDATES, 2 * k)
        while len(pending):
            some = scores if len(pending) == len(scores) else scores[pending]
            found, worst = _best(some, min(candidates, len(self.embeddings) - 1))
            places[pending], cosines[pending] = self._order(asked[pending], found, k)
            # No row beyond the candidates is nearer than the furthest of them, by components alone
            reach = np.sqrt(np.maximum(lengths[pending] - 2 * worst, 0)) + SLACK
            furthest = np.sqrt(2 * np.maximum(1 - cosines[pending, -1], 0))
            if candidates >= min(MOST_CANDIDATES, len(self.embeddings) - 1):
                break
            pending = pending[NEARLY * furthest > reach]
            candidates *= MORE
        return Block(int(asked[0]), places, cosines)

    def _scores(self, asked: np.ndarray) -> np.ndarray:
        mine = self.components[asked]
        mine[:, -1] = 1
        scores = mine @ self.components.T
        scores[np.arange(len(asked)), asked] = -np.inf
        return scores

    def _order(
        self, asked: np.ndarray, candidates: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k best of each row's candidates by whole embeddings, and their cosines."""
        cosines = np.empty(candidates.shape, np.float32)
        queries = of_unit_length(self.embeddings[asked])
        step = max(1, PIECE // candidates.shape[1])
        for at in range(0, len(asked), step):
            some = candidates[at : at + step]
            whole = of_unit_length(self.embeddings[some.ravel()]).reshape(*some.shape, -1)
            cosines[at : at + step] = (whole @ queries[at : at + step, :, None])[:, :, 0]
        best = np.lexsort((candidates, -cosines), axis=1)[:, :k]
        return np.take_along_axis(candidates, best, 1), np.take_along_axis(cosines, best, 1)


def _best(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, count) columns of the highest scores in no order, and (rows,) the lowest of these."""
    tiles = scores.shape[1] // TILE
    if tiles > count:
        highest = scores.reshape(len(scores), TILE, tiles).max(axis=1)
        chosen = np.argpartition(highest, -count, axis=1)[:, -count:]
        columns = (chosen[:, :, None] + tiles * np.arange(TILE)).reshape(len(scores), -1)
        scores = np.take_along_axis(scores, columns, 1)
    else:
        columns = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    best = np.argpartition(scores, -count, axis=1)[:, -count:]
    return np.take_along_axis(columns, best, 1), np.take_along_axis(scores, best, 1).min(axis=1)
