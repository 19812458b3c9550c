"""Which similarity index each label has: its name, its state, and whether it should be there.

A label with its garments is a shelf. A short shelf is searched exactly: its b-tree finds the rows
and Postgres compares the components of them all. A long one has a partial HNSW index of its own,
`WHERE label = …`, on the components, which every one of its garments must have.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Engine, text

from service.catalog.database.engine import reading
from service.catalog.garments.single import count_by_label
from service.catalog.schema.revision import is_coordinator
from service.catalog.schema.tables import HNSW_NAMES
from service.domain import Method

THRESHOLD = 1000
"""Rows up to which a shelf is searched exactly: 2 ms at 1,000 rows, growing with the rows, where an
index answers in 1.3 (docs/performance.md), takes 0.6 kB a row and is built in a second."""

SHRUNK = 0.5
"""A shelf gives its index up below this share of the threshold, so that one at the threshold does
not build and drop it in turns."""

LARGE = 50_000
"""Rows beyond which a graph is built with more effort. Of many garments that are alike, one that is built
with less has links to one another and hardly a link elsewhere (docs/performance.md)."""

WASTED = 2_000
"""Bytes a row beyond which an index is built anew, three times what it needs: most of what it leads to
was deleted. Postgres vacuums by itself only once a fifth of the whole table is gone."""

LOCK = 0x494E44455845
"""The number of the builders' advisory lock, "INDEXE", the same for every version."""

Due = Literal["build", "rebuild", "drop", "update"]
State = Literal["none", "building", "valid", "invalid"]

# An index that CREATE INDEX CONCURRENTLY has begun is invalid until it ends, or for ever, and so is one
# that DROP INDEX CONCURRENTLY has begun with. Which one is worked on Postgres shows to its owner alone,
# and of a drop to nobody; who holds the builders' lock everybody sees.
INDEXES = text("""
    SELECT relname AS name, indisvalid AS valid, pg_relation_size(indexrelid) AS bytes,
           (SELECT CAST(option_value AS integer) FROM pg_options_to_table(reloptions)
            WHERE option_name = 'ef_construction') AS ef_construction,
           NOT indisvalid AND (
               EXISTS (SELECT FROM pg_stat_progress_create_index AS progress
                       WHERE progress.index_relid = indexrelid)
               OR EXISTS (SELECT FROM pg_locks
                          WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                            AND database = (SELECT oid FROM pg_database
                                            WHERE datname = current_database())
                            AND (classid::bigint << 32 | objid::bigint) = CAST(:lock AS bigint))
           ) AS building
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = 'garment'::regclass AND relname ~ :names
    ORDER BY relname
""")

UNPROJECTED = text("""
    SELECT label, count(*) AS lacking FROM garment WHERE components IS NULL GROUP BY label
""")


@dataclass(frozen=True, slots=True)
class Shelf:
    """A label's rows, and its index: state, bytes on disk, and what is due to be done to it.

    unprojected: rows that lack components; as long as there are some, searches are exact.
    """

    label: str
    rows: int
    unprojected: int
    state: State
    bytes: int
    due: Due | None

    @property
    def index(self) -> str:
        """The name that its index has, or would have."""
        return index_name(self.label)

    @property
    def method(self) -> Method:
        """How a search of this label alone is answered."""
        return "hnsw" if self.state == "valid" and not self.unprojected else "exact"

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "rows": self.rows,
            "unprojected": self.unprojected,
            "method": self.method,
            "bytes": self.bytes,
            "state": self.state,
            "due": self.due,
        }


@lru_cache(maxsize=4096)
def index_name(label: str) -> str:
    """The name of a label's index: readable, at most 56 characters, another for every label. One of
    `HNSW_NAMES`."""
    readable = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:29]
    return f"hnsw_components_{readable}_{hashlib.sha256(label.encode()).hexdigest()[:10]}"


def ef_construction(rows: int) -> int:
    """With how much effort the graph of so many garments is built. With more than pgvector's default,
    64, a search for a label that the query is far from finds more of the neighbours for the same time.
    """
    return 320 if rows <= LARGE else 1000  # which is the most that pgvector takes


def shelves(engine: Engine, *, threshold: int = THRESHOLD, building: bool = False) -> list[Shelf]:
    """Every label in the model's order, also those without garments. Of shards nothing is due here: each
    has indexes of its own.

    building: whether it is the builder that asks, to whom what is invalid is what another one left.
    """
    counts = {count.label: count.count for count in count_by_label(engine)}
    with reading(engine) as connection:
        elsewhere = is_coordinator(connection)
        indexes = {row.name: row for row in connection.execute(INDEXES, _values(building))}
        unprojected = {row.label: row.lacking for row in connection.execute(UNPROJECTED)}
    found = []
    for label, rows in counts.items():
        index, lacking = indexes.get(index_name(label)), unprojected.get(label, 0)
        state = _state(index)
        size = 0 if index is None else index.bytes
        due = None if elsewhere else _due(state, rows, threshold)
        if due is None and index is not None and index.valid:
            poor = (index.ef_construction or 0) < ef_construction(rows) or size > WASTED * rows
            due = "update" if lacking else "rebuild" if poor else None
        found.append(Shelf(label, rows, lacking, state, size, due))
    return found


def leftovers(engine: Engine, *, building: bool = False) -> list[str]:
    """Names of indexes that are no label's: the label is gone, a rebuild was killed, or an earlier
    version built it. building: as of `shelves`."""
    wanted = {index_name(count.label) for count in count_by_label(engine)}
    with reading(engine) as connection:
        found = connection.execute(INDEXES, _values(building))
        return [row.name for row in found if row.name not in wanted and not row.building]


def _values(building: bool) -> dict[str, Any]:
    return {"names": HNSW_NAMES, "lock": None if building else LOCK}


def _state(index: Any) -> State:
    if index is None:
        return "none"
    if index.valid:
        return "valid"
    return "building" if index.building else "invalid"


def _due(state: State, rows: int, threshold: int) -> Due | None:
    if state in ("none", "invalid") and rows > threshold:
        return "build"
    if state == "invalid" or (state == "valid" and rows < SHRUNK * threshold):
        return "drop"
    return None
