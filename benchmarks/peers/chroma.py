"""Chroma, embedded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from peers.contestant import Catalog, Contestant, folder_bytes


class Chroma(Contestant):
    """A persistent client, and `where` on the metadata.

    The defaults of its HNSW index but for `ef_search`, with whose 100 it found 0.976 of the worst label
    of 139,734 garments. A loaded index does not follow a change of it, so that it is not chosen as others'.
    https://docs.trychroma.com/docs/collections/configure,
    https://docs.trychroma.com/docs/querying-collections/metadata-filtering
    """

    title = "Chroma"
    settings = "HNSW, cosine, max_neighbors 16, ef_construction 100, ef_search 200; where label"
    stored = "disk"
    memory_a_row = 9_500
    package = "chromadb"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import chromadb

        self.client = chromadb.PersistentClient(
            folder, chromadb.Settings(anonymized_telemetry=False)
        )

    def build(self, catalog: Catalog) -> None:
        self.collection = self.client.create_collection(
            "garments",
            embedding_function=None,
            configuration={
                "hnsw": {
                    "space": "cosine",
                    "max_neighbors": 16,
                    "ef_construction": 100,
                    "ef_search": 200,
                }
            },
        )
        for rows, vectors in catalog.batches(min(5_000, self.client.get_max_batch_size())):
            self.collection.add(
                ids=[str(row) for row in range(rows.start, rows.stop)],
                embeddings=vectors,
                metadatas=[{"label": catalog.labels[place]} for place in catalog.shelf[rows]],
            )

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        found = self.collection.query(
            query_embeddings=query[None], n_results=k, where={"label": label}, include=[]
        )
        return [int(name) for name in found["ids"][0]]

    def bytes(self) -> int:
        return folder_bytes(self.folder)
