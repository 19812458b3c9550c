"""Qdrant's local mode: the client's own engine in Python and numpy, without the server."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from peers.contestant import FEATURES, Catalog, Contestant


class QdrantLocal(Contestant):
    """In memory, with a filter on the payload. Every search is exact, and no index changes that.

    https://github.com/qdrant/qdrant-client#local-mode, which advises against more than 20,000 points;
    https://qdrant.tech/documentation/search/filtering/
    """

    title = "Qdrant local"
    settings = "local mode in memory, cosine, payload filter; exact"
    stored = "memory"
    memory_a_row = 10_000
    package = "qdrant-client"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import qdrant_client

        self.models = qdrant_client.models
        self.client = qdrant_client.QdrantClient(":memory:")

    def build(self, catalog: Catalog) -> None:
        self.client.create_collection(
            "garments",
            vectors_config=self.models.VectorParams(
                size=FEATURES, distance=self.models.Distance.COSINE
            ),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the advice above, at every batch
            for rows, vectors in catalog.batches():
                self.client.upload_collection(
                    "garments",
                    vectors=vectors,
                    ids=range(rows.start, rows.stop),
                    payload=[{"label": catalog.labels[place]} for place in catalog.shelf[rows]],
                )

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        wanted = self.models.FieldCondition(key="label", match=self.models.MatchValue(value=label))
        found = self.client.query_points(
            "garments",
            query=query,
            query_filter=self.models.Filter(must=[wanted]),
            limit=k,
            with_payload=False,
        )
        return [point.id for point in found.points]

    def bytes(self) -> int:
        vectors = self.client._client.collections["garments"].vectors
        return sum(array.nbytes for array in vectors.values())
