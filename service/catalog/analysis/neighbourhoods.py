"""The analysis: the neighbours of every garment, and what they say of it, searched and stored.

The embeddings are read once, into a file, and compared there (see `nearest`): the database is not
asked again until everything is known. What is stored replaces what was there in one transaction.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from sqlalchemy import Connection, Engine, text

from service.catalog.analysis.judgements import duplicate_groups, isolation, thresholds, votes
from service.catalog.analysis.nearest import nearest_of_all
from service.catalog.analysis.standing import Record, begun
from service.catalog.database.engine import driver_of
from service.catalog.database.patience import UNHURRIED
from service.catalog.garments.embeddings import unfit_rows
from service.catalog.loading.batches import require_serving
from service.catalog.schema.tables import FEATURES
from service.disks import FULL
from service.errors import CatalogEmpty, HomeNotWritable, StorageFull

NEIGHBOURS = 10  # of each garment
SAME = 1 - 1e-6  # float32 need not make 1 of the cosine between copies
CHUNK = 1024  # garments read or written at once

# In the order of the primary key's index: sorted, the embeddings would go through the disk
BY_INDEX = text("SELECT set_config('enable_sort', 'off', true)")
READ = """
    COPY (
        SELECT id, label, label_source = 'given', embedding FROM garment
        WHERE model_id = {} ORDER BY id
    ) TO STDOUT (FORMAT BINARY)
"""

STAGING = text("""
    CREATE TEMPORARY TABLE found ON COMMIT DROP AS SELECT * FROM neighbourhood WITH NO DATA
""")
COPY = """
    COPY found (garment_id, isolation, same_label, suggested, duplicate_group, examined_as,
                suggested_label, neighbours, similarities)
    FROM STDIN (FORMAT BINARY)
"""
TYPES = ["int8", "float4", "int2", "int2", "int8", "text", "text", "int8[]", "float4[]"]
# None goes before this is committed. Before the rows that go with them are touched: whoever removes a
# garment locks it first, and then those.
KEEP = text("""
    SELECT count(*) FROM (
        SELECT FROM found JOIN garment ON id = garment_id ORDER BY garment_id FOR KEY SHARE OF garment
    ) AS kept
""")
CLEAR = text("DELETE FROM neighbourhood")
# Garments that went meanwhile are left out
REPLACE = text("""
    INSERT INTO neighbourhood SELECT found.* FROM found JOIN garment ON id = garment_id
    ORDER BY garment_id
""")
CLEAR_THRESHOLDS = text("DELETE FROM similarity_threshold")
PUT_THRESHOLD = text("""
    INSERT INTO similarity_threshold
        (label, wanted_precision, similarity, precision, pairs, share)
    VALUES (:label, :wanted, :similarity, :precision, :pairs, :share)
""")


@dataclass(frozen=True, slots=True)
class _Catalog:
    """ids, given: (n,). labels: (n,) places in `names`. embeddings: (n, 2048) float16, on the disk."""

    ids: np.ndarray
    labels: np.ndarray
    given: np.ndarray
    names: list[str]
    embeddings: np.ndarray


def analyse(
    engine: Engine,
    *,
    duplicate_similarity: float,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Search the neighbours of every garment and store what they say; returns how many garments.

    duplicate_similarity: the cosine from which on two garments show the same picture. folder: for a
    file of 4 kB a garment, which goes when this ends, however it ends. progress: called with garments
    done and in all; what it raises ends the analysis.

    Queries and writes go on meanwhile. Raises `CatalogEmpty` where no model is, `AnalysisRunning`,
    `AnalysisCancelled`, `StorageFull` and `HomeNotWritable` where the folder has no room for the file, and
    `BundleMismatch` where the model was replaced meanwhile; what was stored before then stays.
    """
    with begun(engine, duplicate_similarity=duplicate_similarity) as record:
        if record is None:
            raise CatalogEmpty()
        with _file(folder) as file:
            catalog = _read(record, file)
        size = len(catalog.ids)
        width = min(NEIGHBOURS, max(size - 1, 0))
        places, cosines = np.empty((size, width), np.int64), np.empty((size, width), np.float32)
        for block in nearest_of_all(catalog.embeddings, NEIGHBOURS):
            stop = block.start + len(block.places)
            places[block.start : stop], cosines[block.start : stop] = block.places, block.cosines
            record.beat(stop)
            progress(stop, size)
        _store(record, catalog, places, cosines, min(duplicate_similarity, SAME))
        return size


@contextmanager
def _file(folder: Path) -> Iterator[IO[bytes]]:
    """A file without a name in `folder`: what is mapped of it is there until that goes."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            yield file
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(
                f"There is no room in {folder} for the analysis: it needs 4 kB a garment. "
                "What was stored before stays."
            ) from None
        raise HomeNotWritable(f"{folder} cannot be written: {error.strerror or error}.") from None


def _read(record: Record, file: IO[bytes]) -> _Catalog:
    """The catalog at one moment, its embeddings written to `file` and mapped from there."""
    ids: list[int] = []
    labels: list[str] = []
    given: list[bool] = []
    with (
        record.engine.begin() as connection,
        driver_of(connection) as driver,
        driver.cursor() as cursor,
    ):
        connection.execute(UNHURRIED)
        connection.execute(BY_INDEX)
        with cursor.copy(READ.format(record.model_id).encode()) as copy:
            copy.set_types(["int8", "text", "bool", "halfvec"])
            rows = copy.rows()
            while chunk := list(itertools.islice(rows, CHUNK)):
                half = np.stack([row[3].to_numpy() for row in chunk]).astype(np.float16)
                fit = ~unfit_rows(half)  # one that was written by hand may have no direction
                file.write(half[fit].tobytes())
                for (garment_id, label, known, _), keep in zip(chunk, fit, strict=True):
                    if keep:
                        ids.append(garment_id)
                        labels.append(label)
                        given.append(known)
                record.beat(0)
    file.flush()
    names, numbers = np.unique(labels, return_inverse=True)
    shape = len(ids), FEATURES
    embeddings = (
        np.memmap(file, np.float16, "r", shape=shape) if ids else np.empty(shape, np.float16)
    )
    return _Catalog(np.array(ids, int), numbers, np.array(given, bool), names.tolist(), embeddings)


def _store(
    record: Record,
    catalog: _Catalog,
    places: np.ndarray,
    cosines: np.ndarray,
    duplicate_similarity: float,
) -> None:
    found = thresholds(catalog.labels, catalog.given, places, cosines, below=duplicate_similarity)
    with record.engine.begin() as connection:
        connection.execute(UNHURRIED)
        require_serving(connection, record.model_id)
        connection.execute(STAGING)
        _copy(record, connection, catalog, places, cosines, duplicate_similarity)
        for statement in (KEEP, CLEAR, REPLACE):
            stored = connection.execute(statement).rowcount
            record.beat(len(catalog.ids))
        connection.execute(CLEAR_THRESHOLDS)
        if found:
            connection.execute(
                PUT_THRESHOLD,
                [
                    {
                        "label": catalog.names[threshold.label],
                        "wanted": threshold.wanted,
                        "similarity": threshold.similarity,
                        "precision": threshold.precision,
                        "pairs": threshold.pairs,
                        "share": threshold.share,
                    }
                    for threshold in found
                ],
            )
        record.finish(connection, stored)


def _copy(
    record: Record,
    connection: Connection,
    catalog: _Catalog,
    places: np.ndarray,
    cosines: np.ndarray,
    duplicate_similarity: float,
) -> None:
    names = [*catalog.names, None]  # the last for -1: no label is suggested
    vote = votes(catalog.labels, places)
    group = duplicate_groups(places, cosines, duplicate_similarity)
    nearest = cosines[:, 0] if places.shape[1] else np.zeros(len(places))
    alone = isolation(catalog.labels, nearest, group >= 0)
    with driver_of(connection) as driver, driver.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(TYPES)
        for at, garment_id in enumerate(catalog.ids.tolist()):
            if at % CHUNK == 0:
                record.beat(len(catalog.ids))
            copy.write_row(
                (
                    garment_id,
                    float(alone[at]),
                    int(vote.same[at]),
                    int(vote.suggested[at]),
                    None if group[at] < 0 else int(catalog.ids[group[at]]),
                    names[catalog.labels[at]],
                    names[vote.suggested_label[at]],
                    catalog.ids[places[at]].tolist(),
                    cosines[at].tolist(),
                )
            )
