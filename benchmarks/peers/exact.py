"""Every garment of the label compared: the seed project's loop, and one product in numpy."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cosine

from peers.contestant import FEATURES, Catalog, Contestant, unit


class _Matrices(Contestant):
    """A float32 matrix for each label, filled in one pass."""

    stored = "memory"
    memory_a_row = 8_200

    def build(self, catalog: Catalog) -> None:
        self.matrices = {}
        self.rows = {}
        filled = {}
        for place, label in enumerate(catalog.labels):
            self.matrices[label] = np.empty((catalog.counts[place], FEATURES), np.float32)
            self.rows[label] = np.flatnonzero(catalog.shelf == place)
            filled[label] = 0
        for place, rows, vectors in catalog.batches_by_label():
            label = catalog.labels[place]
            start, filled[label] = filled[label], filled[label] + len(rows)
            self.matrices[label][start : filled[label]] = self.prepare(vectors)

    def prepare(self, vectors: np.ndarray) -> np.ndarray:
        return vectors

    def bytes(self) -> int:
        return sum(matrix.nbytes for matrix in self.matrices.values())


class SeedLoop(_Matrices):
    """The seed project's search: a Python loop with one `scipy` cosine a row, then a sort."""

    title = "seed's loop"
    settings = "float32 in memory, scipy.spatial.distance.cosine row by row"
    package = "scipy"

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        distances = [cosine(query, vector) for vector in self.matrices[label]]
        return self.rows[label][np.argsort(distances)[:k]].tolist()


class Numpy(_Matrices):
    """One matrix-vector product of normalised rows, and a partition."""

    title = "numpy, exact"
    settings = "float32 in memory, normalised, one product a query, one thread"
    package = "numpy"

    def prepare(self, vectors: np.ndarray) -> np.ndarray:
        return unit(vectors)

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        cosines = self.matrices[label] @ unit(query)
        k = min(k, len(cosines))
        best = np.argpartition(-cosines, k - 1)[:k]
        return self.rows[label][best[np.argsort(-cosines[best])]].tolist()
