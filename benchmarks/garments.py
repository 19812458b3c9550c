"""A catalog of any size for benchmarks: real embeddings of the shipped model, multiplied.

    .venv/bin/python benchmarks/garments.py [--rows 1000000] [--photos ../shared/photos/garments.csv]

A few thousand pictures are really embedded: 1,100 drawn garments in two scenes each and, where they
lie, real photos. Every garment of the catalog is then made from them, label by label, in
DeepFashion's proportions:

    a + t (b - a) + u (c - d), negative values set to 0 where the network gives none

a is an embedded picture of the label; b one of its 50 nearest of the label, t up to 0.5: a garment
between two that exist. c and d are a picture and one of its 10 nearest of any label, u normal: a
difference that two similar pictures really have. Rows are shuffled and a smaller catalog is the
beginning of a larger one. What this spreads like beside the real ones is printed, so that it can be
judged: the cosine to the nearest other garment.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.collection import Recipe, draw_collection
from service.decode import Limits, decode, fit, read
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.openvino import OpenVinoEncoder
from service.sources import read_source

PHOTOS = Path(__file__).parents[2] / "shared" / "photos" / "garments.csv"
CACHE = Path(tempfile.gettempdir()) / "fashion-studio-benchmarks"

# Photos of each category in DeepFashion's list_category_img.txt
PROPORTIONS = {
    "Blazer": 7495, "Cardigan": 13311, "Hoodie": 4048, "Jacket": 10467, "Sweater": 13123,
    "Tank": 15429, "Tee": 36887, "Top": 10078, "Dress": 72158, "Jumpsuit": 6153, "Romper": 7408,
}  # fmt: skip

DRAWN = Recipe(garments=1100, views=2, scenes="wild", size=150, seed=11)
BLOCK = 10_000  # rows made at once, each block from a seed of its own
QUERIES = 1000
BETWEEN, SPREAD = 0.5, 0.7  # most of t, standard deviation of u


@dataclass(frozen=True)
class Garments:
    """A catalog, and queries that are not in it.

    labels: names. shelf: (n,) uint8, each garment's place in `labels`. embeddings: (n, 2048)
    float16. queries: (1000, 2048) float32. query_shelf: (1000,) uint8.
    """

    labels: tuple[str, ...]
    shelf: np.ndarray
    embeddings: np.ndarray
    queries: np.ndarray
    query_shelf: np.ndarray

    def batches(self, size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows and their embeddings, in order."""
        for start in range(0, len(self.embeddings), size):
            rows = slice(start, min(start + size, len(self.embeddings)))
            yield rows, self.embeddings[rows]


def load(rows: int, cache: Path = CACHE, photos: Path = PHOTOS) -> Garments:
    """The first `rows` garments, mapped from a file in `cache` that is made when it is needed.

    It takes 4,096 bytes a row. A larger catalog begins with the smaller one.
    """
    cache.mkdir(parents=True, exist_ok=True)
    base, base_shelf = embedded(cache, photos)
    identity = hashlib.sha256(base.tobytes() + base_shelf.tobytes() + b"2").hexdigest()[:12]
    maker = _Maker(base, base_shelf)
    file = cache / f"catalog-{identity}-{-(-rows // BLOCK) * BLOCK}.npy"
    larger = sorted(cache.glob(f"catalog-{identity}-*.npy"), key=lambda f: f.stat().st_size)
    found = next((f for f in larger if int(f.stem.split("-")[-1]) >= rows), None)
    if found is None:
        found = _write(file, maker, -(-rows // BLOCK) * BLOCK)
    blocks = range(-(-rows // BLOCK))
    shelf = np.concatenate([maker.shelves(block, BLOCK) for block in blocks])[:rows]
    query_shelf = maker.shelves(-1, QUERIES)
    return Garments(
        labels=tuple(PROPORTIONS),
        shelf=shelf,
        embeddings=np.load(found, mmap_mode="r")[:rows],
        queries=maker.embeddings(-1, query_shelf),
        query_shelf=query_shelf,
    )


class _Maker:
    """Garments by the formula above. Block -1 is the queries."""

    def __init__(self, base: np.ndarray, shelf: np.ndarray) -> None:
        self._base = base.astype(np.float32)
        self._least = 0.0 if base.min() >= 0 else -np.inf
        unit = self._base / np.linalg.norm(self._base, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -2)
        self._like = np.argsort(-cosines, axis=1)[:, :10]
        same = np.where(shelf[:, None] == shelf, cosines, -3)
        self._same = np.argsort(-same, axis=1)[:, :50]
        self._of = [np.flatnonzero(shelf == place) for place in range(len(PROPORTIONS))]
        smallest = min(map(len, self._of))
        if smallest <= 50:
            raise SystemExit(f"A label has only {smallest} embedded pictures; 51 are needed.")

    def shelves(self, block: int, rows: int) -> np.ndarray:
        shares = np.array(list(PROPORTIONS.values()), float)
        rng = np.random.default_rng((1, block + 1))
        return rng.choice(len(shares), rows, p=shares / shares.sum()).astype(np.uint8)

    def embeddings(self, block: int, shelf: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng((2, block + 1))
        a = np.array([rng.choice(self._of[place]) for place in shelf])
        b = self._same[a, rng.integers(50, size=len(a))]
        c = rng.integers(len(self._base), size=len(a))
        d = self._like[c, rng.integers(10, size=len(a))]
        t = rng.uniform(0, BETWEEN, (len(a), 1)).astype(np.float32)
        u = rng.normal(0, SPREAD, (len(a), 1)).astype(np.float32)
        base = self._base
        made = base[a] + t * (base[b] - base[a]) + u * (base[c] - base[d])
        return np.maximum(made, np.float32(self._least))


def embedded(cache: Path, photos: Path) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of real pictures, (n, 2048) float16, and their places in `PROPORTIONS`."""
    card = read_card(SHIPPED)
    items = list(read_source(photos, labels=card.labels)) if photos.exists() else []
    told = [(item.name, item.label, item.file.stat().st_size) for item in items]
    key = hashlib.sha256(repr((card.content_sha256, DRAWN, told)).encode()).hexdigest()[:16]
    kept = cache / f"embedded-{key}.npz"
    if not kept.exists():
        items = [*read_source(draw_collection(cache / "drawn", DRAWN), labels=card.labels), *items]
        encoder = OpenVinoEncoder(SHIPPED, cache)

        def embed(file: Path) -> np.ndarray:
            pixels = decode(read(file, Limits()), Limits(), side=card.input_size).pixels
            return encoder.predict(fit(pixels, card.input_size)).embedding

        with ThreadPoolExecutor(encoder.requests) as pool:
            vectors = np.stack(list(pool.map(embed, [item.file for item in items])))
        places = [list(PROPORTIONS).index(item.label or "") for item in items]
        draft = kept.with_suffix(".draft.npz")
        np.savez(draft, vectors=vectors.astype(np.float16), shelf=np.array(places, np.uint8))
        draft.replace(kept)
    with np.load(kept) as stored:
        return stored["vectors"], stored["shelf"]


def _write(file: Path, maker: _Maker, rows: int) -> Path:
    draft = file.with_suffix(".draft")
    whole = np.lib.format.open_memmap(
        draft, "w+", np.float16, (rows, maker.embeddings(-1, np.zeros(1, np.uint8)).shape[1])
    )
    for block in range(rows // BLOCK):
        at = block * BLOCK
        whole[at : at + BLOCK] = maker.embeddings(block, maker.shelves(block, BLOCK))
    whole.flush()
    del whole
    return draft.replace(file)


def nearest(vectors: np.ndarray, shelf: np.ndarray, sample: int = 300) -> np.ndarray:
    """The cosine of sampled rows to their nearest other row of the same label."""
    rng = np.random.default_rng(0)
    found = []
    for row in rng.choice(len(vectors), sample, replace=False):
        others = np.flatnonzero(shelf == shelf[row])
        unit = vectors[others].astype(np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        mine = vectors[row].astype(np.float32)
        cosines = unit @ (mine / np.linalg.norm(mine))
        cosines[others == row] = -1
        found.append(cosines.max())
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=139_734)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    garments = load(arguments.rows, arguments.cache, arguments.photos)
    base, base_shelf = embedded(arguments.cache, arguments.photos)
    print(f"{'cosine to the nearest of the label':36} {'p10':>6} {'p50':>6} {'p90':>6}")
    few = min(arguments.rows, 20_000)
    for name, vectors, shelf in (
        (f"{len(base)} embedded pictures", base, base_shelf),
        (f"{few} of {arguments.rows} garments", garments.embeddings[:few], garments.shelf[:few]),
    ):
        low, middle, high = np.percentile(nearest(vectors, shelf), [10, 50, 90])
        print(f"{name:36} {low:6.3f} {middle:6.3f} {high:6.3f}")


if __name__ == "__main__":
    main()
