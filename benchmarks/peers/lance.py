"""LanceDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from peers.contestant import FEATURES, WIDTHS, Catalog, Contestant, folder_bytes


class Lance(Contestant):
    """Cosine search filtered before it, as documented.

    One IVF partition below a million rows, a bitmap index on the column of few
    values, and a refine step on the full vectors.
    https://docs.lancedb.com/indexing/vector-index, https://docs.lancedb.com/indexing/scalar-index
    """

    title = "LanceDB"
    settings = (
        "IVF_HNSW_SQ, cosine, m 20, ef_construction 300, ef {width}, refine 5; bitmap on label"
    )
    stored = "disk"
    memory_a_row = 4_500
    widths = WIDTHS
    package = "lancedb"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import lancedb
        from lancedb.index import Bitmap, HnswSq

        self.database = lancedb.connect(folder)
        self.by_label = Bitmap()
        self.by_vector = HnswSq(distance_type="cosine", num_partitions=1)

    def build(self, catalog: Catalog) -> None:
        schema = pa.schema(
            {"id": pa.int64(), "label": pa.string(), "vector": pa.list_(pa.float32(), FEATURES)}
        )
        names = np.array(catalog.labels)

        def batches() -> Iterator[pa.RecordBatch]:
            for rows, vectors in catalog.batches():
                columns = [
                    pa.array(np.arange(rows.start, rows.stop)),
                    pa.array(names[catalog.shelf[rows]]),
                    pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), FEATURES),
                ]
                yield pa.record_batch(columns, schema=schema)

        reader = pa.RecordBatchReader.from_batches(schema, batches())
        self.table = self.database.create_table("garments", reader)
        self.table.create_index("label", config=self.by_label)
        self.table.create_index("vector", config=self.by_vector)

    def widen(self, width: int) -> None:
        self.width = width

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        return (
            self.table.search(query)
            .distance_type("cosine")
            .where(f"label = '{label}'", prefilter=True)
            .ef(self.width)
            .refine_factor(5)
            .select(["id", "_distance"])
            .limit(k)
            .to_arrow()["id"]
            .to_pylist()
        )

    def bytes(self) -> int:
        return folder_bytes(self.folder)
