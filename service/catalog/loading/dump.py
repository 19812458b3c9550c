"""All embeddings out of the catalog, as a stream."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

import numpy as np
from sqlalchemy import Connection, Engine, text

from service.catalog.database.engine import driver_of
from service.catalog.database.patience import UNHURRIED

# In the order of the primary key's index: sorted, the embeddings would go through the disk
BY_INDEX = text("SELECT set_config('enable_sort', 'off', true)")

COPY = """
    COPY (SELECT image_path, label, embedding FROM garment ORDER BY id) TO STDOUT (FORMAT BINARY)
"""

Chunk = tuple[list[str], list[str], np.ndarray]


@contextmanager
def all_embeddings(engine: Engine, *, chunk: int = 1024) -> Iterator[tuple[int, Iterator[Chunk]]]:
    """(number of garments, chunks of image paths, labels and (≤ chunk, 2048) float16), by id.

    As the catalog is at one moment, whatever is written meanwhile. Memory holds one chunk.
    """
    isolated = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with isolated as connection, connection.begin():
        connection.execute(UNHURRIED)
        count = connection.scalar(text("SELECT count(*) FROM garment"))
        connection.execute(BY_INDEX)
        # Closed before the transaction is: a COPY under way holds the connection
        with closing(_chunks(connection, chunk)) as chunks:
            yield count, chunks


def _chunks(connection: Connection, size: int) -> Generator[Chunk]:
    with driver_of(connection) as driver, driver.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(["text", "text", "halfvec"])
        rows = copy.rows()
        while chunk := list(itertools.islice(rows, size)):
            paths, labels, vectors = zip(*chunk, strict=True)
            yield list(paths), list(labels), np.stack([v.to_numpy() for v in vectors])
