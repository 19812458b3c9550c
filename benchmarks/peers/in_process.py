"""Index libraries in the client's own process, one index a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from peers.contestant import FEATURES, WIDTHS, Catalog, Contestant, unit


class FaissFlat(Contestant):
    """`IndexFlatIP` on normalised vectors is cosine, as faiss's wiki has it.

    https://github.com/facebookresearch/faiss/wiki/MetricType-and-distances
    """

    title = "faiss flat"
    settings = "IndexFlatIP for each label, normalised float32"
    stored = "memory"
    memory_a_row = 8_200
    package = "faiss-cpu"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import faiss

        self.faiss = faiss

    def build(self, catalog: Catalog) -> None:
        self.indexes = {label: self.index() for label in catalog.labels}
        self.rows = {
            label: np.flatnonzero(catalog.shelf == place)
            for place, label in enumerate(catalog.labels)
        }
        for place, _, vectors in catalog.batches_by_label():
            self.indexes[catalog.labels[place]].add(unit(vectors))

    def index(self):
        return self.faiss.IndexFlatIP(FEATURES)

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        _, found = self.indexes[label].search(unit(query)[None], k)
        return self.rows[label][found[0][found[0] >= 0]].tolist()

    def bytes(self) -> int:
        return sum(index.ntotal * FEATURES * 4 for index in self.indexes.values())


class FaissHnsw(FaissFlat):
    """As many links as this project's graphs have, M 16, and as thorough a build.

    https://github.com/facebookresearch/faiss/wiki/Faiss-indexes
    """

    title = "faiss HNSW"
    settings = (
        "IndexHNSWFlat for each label, inner product, M 16, efConstruction 320, efSearch {width}"
    )
    memory_a_row = 8_500
    widths = WIDTHS

    def index(self):
        index = self.faiss.IndexHNSWFlat(FEATURES, 16, self.faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 320
        return index

    def widen(self, width: int) -> None:
        for index in self.indexes.values():
            index.hnsw.efSearch = width

    def bytes(self) -> int:
        graphs = sum(
            index.hnsw.neighbors.size() * 4 + index.hnsw.offsets.size() * 8
            for index in self.indexes.values()
        )
        return super().bytes() + graphs


class Usearch(Contestant):
    """Connectivity and expansion_add as documented.

    https://unum-cloud.github.io/usearch/python/
    """

    title = "usearch"
    settings = "Index for each label, cos, f16, connectivity 16, expansion 128 and {width}"
    stored = "memory"
    memory_a_row = 4_600
    widths = WIDTHS
    package = "usearch"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from usearch.index import Index

        self.maker = Index

    def build(self, catalog: Catalog) -> None:
        self.indexes = {
            label: self.maker(
                ndim=FEATURES,
                metric="cos",
                dtype="f16",
                connectivity=16,
                expansion_add=128,
            )
            for label in catalog.labels
        }
        for place, rows, vectors in catalog.batches_by_label():
            self.indexes[catalog.labels[place]].add(rows, vectors)

    def widen(self, width: int) -> None:
        for index in self.indexes.values():
            index.expansion_search = width

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        return self.indexes[label].search(query, k).keys.tolist()

    def bytes(self) -> int:
        return sum(index.serialized_length for index in self.indexes.values())
