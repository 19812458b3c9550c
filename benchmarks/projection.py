"""What do principal components lead to, and does it matter which garments they are fitted to?

    .venv/bin/python benchmarks/projection.py [--rows 139734]

For projections fitted to different garments: recall@10 of the garments that are nearest by components,
as many as the column says, and how many embeddings an exact search has to read whole (median; 95th
percentile). A hundred queries that the catalog lacks, of Dress and of Tee, 25,000 garments of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from garments import CACHE, PHOTOS, embedded, load

from service.catalog.similarity.projection import SLACK, fit

FIRST = (10, 20, 30, 50)
N, MOST, QUERIES = 10, 25_000, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=139_734)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    arguments = parser.parse_args()
    garments = load(arguments.rows, arguments.cache, arguments.photos)
    pictures, _ = embedded(arguments.cache, arguments.photos)
    of = {
        label: garments.embeddings[np.flatnonzero(garments.shelf == place)[:MOST]]
        for place, label in enumerate(garments.labels)
    }
    samples = {
        "10,000 of all labels": garments.embeddings[:10_000],
        "2,000 of all labels": garments.embeddings[:2_000],
        "drawn pictures alone": pictures[:2200],
        "real photos alone": pictures[2200:],
        "4,000 Tees": of["Tee"][:4000],
        "500 Hoodies": of["Hoodie"][:500],
    }
    heads = "".join(f" first {first} |" for first in FIRST)
    print(
        f"| fitted to | searched |{heads} read whole |\n| --- | --- |{' ---: |' * (len(FIRST) + 1)}"
    )
    for name, sample in samples.items():
        if len(sample) == 0:
            continue
        projection = fit(np.asarray(sample))
        for label in ("Dress", "Tee"):
            place = garments.labels.index(label)
            queries = garments.queries[garments.query_shelf == place][:QUERIES].astype(np.float16)
            cosines = unit(queries) @ unit(of[label]).T
            tenth = -np.sort(-cosines, axis=1)[:, N - 1]
            apart = distances(projection(queries), projection(of[label]))
            order = np.argsort(apart, axis=1)
            near = np.take_along_axis(cosines, order, axis=1) >= tenth[:, None] - 2e-6
            recalls = [near[:, :first].sum(axis=1).clip(max=N).mean() / N for first in FIRST]
            bound = np.sqrt(2 * (1 - np.take_along_axis(cosines, order, axis=1)[:, :N].min(axis=1)))
            whole = (apart <= (bound + SLACK)[:, None]).sum(axis=1)
            cells = " | ".join(f"{recall:.3f}" for recall in recalls)
            low, high = np.percentile(whole, [50, 95])
            print(f"| {name} | {label} | {cells} | {low:.0f}; {high:.0f} |")


def unit(embeddings: np.ndarray) -> np.ndarray:
    wide = np.asarray(embeddings, np.float32)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def distances(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    ours, theirs = ours.astype(np.float32), theirs.astype(np.float32)
    squares = (ours**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1) - 2 * ours @ theirs.T
    return np.sqrt(squares.clip(min=0))


if __name__ == "__main__":
    main()
