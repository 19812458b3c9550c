"""All embeddings out of the catalog, as a stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psycopg
from sqlalchemy import Connection, Engine, text

from service.catalog.engine import is_unavailable, unavailable

# In the order of the primary key's index: sorted, the embeddings would go through the disk
BY_INDEX = text("SELECT set_config('enable_sort', 'off', true)")

COPY = """
    COPY (SELECT image_path, label, embedding FROM garment ORDER BY id) TO STDOUT (FORMAT BINARY)
"""

Chunk = tuple[list[str], list[str], np.ndarray]


@contextmanager
def all_embeddings(engine: Engine, *, chunk: int = 2048) -> Iterator[tuple[int, Iterator[Chunk]]]:
    """(number of garments, chunks of image paths, labels and (≤ chunk, 2048) float16), by id.

    As the catalog is at one moment, whatever is written meanwhile. Memory holds one chunk.
    """
    isolated = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with isolated as connection, connection.begin():
        count = connection.scalar(text("SELECT count(*) FROM garment"))
        connection.execute(BY_INDEX)
        yield count, _chunks(connection, chunk)


def _chunks(connection: Connection, size: int) -> Iterator[Chunk]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.set_types(["text", "text", "halfvec"])
            rows = copy.rows()
            while chunk := list(itertools.islice(rows, size)):
                paths, labels, vectors = zip(*chunk, strict=True)
                yield list(paths), list(labels), np.stack([v.to_numpy() for v in vectors])
    except psycopg.Error as error:  # SQLAlchemy does not see what is not its own cursor
        if not is_unavailable(error):
            raise
        connection.invalidate()
        raise unavailable(connection.engine.url, error) from None
