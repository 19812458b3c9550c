"""What a contestant is: it takes a catalog in and names the garments of a label nearest to a query."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

FEATURES = 2048
BATCH = 10_000  # rows read at once: 41 MB
WIDTHS = (50, 100, 200, 400, 800)


@dataclass(frozen=True)
class Catalog:
    """Garments on disk, read in batches: mapped, they would count as their reader's memory.

    embeddings: a `.npy` of (at least `rows`, 2048) float16. folder: has `labels.json`, and
    `shelf.npy`, (rows,) uint8, each garment's place in the labels. A garment's id is its row.
    """

    embeddings: Path
    folder: Path
    rows: int

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(json.loads((self.folder / "labels.json").read_text()))

    @cached_property
    def shelf(self) -> np.ndarray:
        return np.load(self.folder / "shelf.npy")

    @cached_property
    def counts(self) -> np.ndarray:
        """Garments of each label."""
        return np.bincount(self.shelf, minlength=len(self.labels))

    def batches(self, size: int = BATCH) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their embeddings, (size, 2048) float32, in order."""
        with self.embeddings.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            for start in range(0, self.rows, size):
                rows = slice(start, min(start + size, self.rows))
                values = np.fromfile(file, np.float16, (rows.stop - start) * FEATURES)
                yield rows, values.reshape(-1, FEATURES).astype(np.float32)

    def batches_by_label(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """A label's place, rows of it, and their embeddings; each label comes many times."""
        for rows, vectors in self.batches():
            places = self.shelf[rows]
            for place in np.unique(places):
                mine = np.flatnonzero(places == place)
                yield int(place), mine + rows.start, vectors[mine]


class Contestant(ABC):
    """Lives in a process of its own. folder: for what it keeps on disk."""

    title: ClassVar[str]
    settings: ClassVar[str]
    """One line for the reader of the table: index, parameters, precision."""
    stored: ClassVar[Literal["memory", "disk"]]
    """What `bytes` counts."""
    memory_a_row: ClassVar[int]
    """Roughly the bytes of memory that it holds for a garment while it is queried."""
    package: ClassVar[str | None] = None
    """The distribution whose version is reported."""
    widths: ClassVar[tuple[int, ...]] = ()
    """How wide its graph can be searched, rising; the first that finds enough is taken. `settings`
    names it as {width}. Empty: there is nothing to choose."""
    by_garment: ClassVar[bool] = False
    """Asked for garments like one of the catalog, by its row, instead of for a vector."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def build(self, catalog: Catalog) -> None:
        """Take everything in, until it is as fast as it gets."""

    @abstractmethod
    def search(self, query: np.ndarray | int, label: str, k: int) -> list[int]:
        """The rows of the k garments of `label` most like `query`, (2048,) float32."""

    def widen(self, width: int) -> None:
        """Search as wide from now on."""
        raise NotImplementedError

    @abstractmethod
    def bytes(self) -> int:
        """What the catalog takes, in memory or on disk."""

    def servers(self) -> list[int]:
        """Process ids that work for it besides its own and its children."""
        return []

    def close(self) -> None:  # noqa: B027  most have nothing to do
        """Let go of what outlives the process."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """Divided by their lengths, along the last axis."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
