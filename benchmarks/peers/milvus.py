"""Milvus Lite: Milvus's API on a local file, served by a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from peers.contestant import FEATURES, WIDTHS, Catalog, Contestant, folder_bytes


class MilvusLite(Contestant):
    """A filter expression on the partition key, so that a label's garments have graphs of their own.

    It offers FLAT, IVF_FLAT, IVF_SQ8, HNSW and HNSW_SQ; HNSW with the parameters of its read-me.
    https://pypi.org/project/milvus-lite/, https://milvus.io/docs/use-partition-key.md
    """

    title = "Milvus Lite"
    settings = "HNSW, COSINE, M 16, efConstruction 200, ef {width}; filter on the partition key"
    stored = "disk"
    memory_a_row = 17_000
    widths = WIDTHS
    package = "milvus-lite"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from pymilvus import DataType, MilvusClient

        self.types = DataType
        # It answers no ping while it builds a graph: after 5 s the client takes it for dead, and asks again
        patience = {"grpc.keepalive_time_ms": 7_200_000}
        self.client = MilvusClient(str(folder / "garments.db"), grpc_options=patience)

    def build(self, catalog: Catalog) -> None:
        schema = self.client.create_schema()
        schema.add_field("id", self.types.INT64, is_primary=True)
        schema.add_field("label", self.types.VARCHAR, max_length=64, is_partition_key=True)
        schema.add_field("vector", self.types.FLOAT_VECTOR, dim=FEATURES)
        self.client.create_collection("garments", schema=schema)
        for rows, vectors in catalog.batches(2_000):
            self.client.insert(
                "garments",
                [
                    {"id": row, "label": catalog.labels[catalog.shelf[row]], "vector": vector}
                    for row, vector in enumerate(vectors, rows.start)
                ],
            )
        self.client.flush("garments")
        indexes = self.client.prepare_index_params()
        indexes.add_index(
            "vector",
            index_type="HNSW",
            metric_type="COSINE",
            params={"M": 16, "efConstruction": 200},
        )
        self.client.create_index("garments", indexes)
        self.client.load_collection("garments")

    def widen(self, width: int) -> None:
        self.width = width

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        found = self.client.search(
            "garments",
            [query],
            filter=f'label == "{label}"',
            limit=k,
            search_params={"metric_type": "COSINE", "params": {"ef": self.width}},
        )
        return [match["id"] for match in found[0]]

    def bytes(self) -> int:
        return folder_bytes(self.folder)

    def close(self) -> None:
        self.client.close()
