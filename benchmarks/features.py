"""How many rows a second does import-features load, beyond reading the file?

    .venv/bin/python benchmarks/features.py [--rows 20000] [--rounds 3]

Writes an `.npz` of made-up features, sparse and positive as pooled features are, and a CSV beside it. In
each round the array is read and decompressed alone, then imported into an empty catalog, then imported
again where all of it is there, then exported. The tasks take turns so that all see the same machine;
the figures are medians. The building of indexes, above 1,000 garments a label, is not counted.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from own import own_settings
from sqlalchemy import text

from service.artifacts import export_features, import_features
from service.artifacts.npz import FeatureReader, FeatureWriter
from service.catalog import build_indexes
from service.studio import Studio

READ, NEW, AGAIN, EXPORT = (
    "read and decompress alone",
    "import into an empty catalog",
    "import what is there already",
    "export",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Studio(own_settings(Path(folder))) as studio,
    ):
        names, npz = Path(folder) / "labels.csv", Path(folder) / "features.npz"
        write(names, npz, arguments.rows, len(studio.card.labels))
        print(f"{arguments.rows} rows, {npz.stat().st_size / 1e6:.0f} MB compressed")
        took: dict[str, list[float]] = defaultdict(list)
        copies = Path(folder) / "copy.csv", Path(folder) / "copy.npz"
        for _ in range(arguments.rounds):
            empty(studio)
            took[READ].append(clocked(lambda: read(npz)))
            took[NEW].append(import_features(studio, names, npz).seconds)
            took[AGAIN].append(import_features(studio, names, npz).seconds)
            took[EXPORT].append(clocked(lambda: export_features(studio, *copies)))
    for task, seconds in took.items():
        median = statistics.median(seconds)
        print(f"{task:32}{median:7.2f} s {arguments.rows / median:8.0f} rows/s")
    pairs = zip(took[READ], took[NEW], strict=True)
    beyond = [arguments.rows / (new - alone) for alone, new in pairs]
    low, high = min(beyond), max(beyond)
    print(f"beyond reading: {statistics.median(beyond):.0f} rows/s (from {low:.0f} to {high:.0f})")


def write(names: Path, npz: Path, rows: int, labels: int) -> None:
    rng = np.random.default_rng(0)
    with FeatureWriter(npz, rows) as features:
        for start in range(0, rows, 1000):
            some = rng.gamma(0.6, 0.5, (min(1000, rows - start), 2048)) - 0.1
            features.write(np.maximum(some, 0))
    with names.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image_name", "category_label"))
        writer.writerows(
            (f"img/garment_of_{i % 100}/img_{i:08}.jpg", i % labels) for i in range(rows)
        )


def read(npz: Path) -> None:
    with FeatureReader(npz) as features:
        for _ in features.chunks(4096):
            pass


def empty(studio: Studio) -> None:
    with studio.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("TRUNCATE garment CASCADE"))
        build_indexes(studio.engine)  # drops those that an empty catalog does not need
        connection.execute(text("CHECKPOINT"))


def clocked(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
