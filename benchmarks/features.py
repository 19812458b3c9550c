"""How many rows a second does import-features load, beyond reading the file?

    .venv/bin/python benchmarks/features.py [--rows 20000] [--rounds 3]

Writes an `.npz` of made-up features, sparse and positive as pooled features are, and a CSV beside it. In
each round the array is read and decompressed alone, then imported into an empty catalog, then imported
again where all of it is there, then exported. The tasks take turns so that all see the same machine.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy import text

from service.artifacts import export_features, import_features
from service.artifacts.npz import FeatureReader, FeatureWriter
from service.catalog import shelves
from service.settings import Settings
from service.studio import Studio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Studio(Settings(home=Path(folder))) as studio,
    ):
        names, npz = Path(folder) / "labels.csv", Path(folder) / "features.npz"
        write(names, npz, arguments.rows, len(studio.card.labels))
        print(f"{arguments.rows} rows, {npz.stat().st_size / 1e6:.0f} MB compressed")
        took: dict[str, list[float]] = {}
        for _ in range(arguments.rounds):
            empty(studio)
            seconds(took, "read and decompress alone", lambda: read(npz))
            seconds(took, "import into an empty catalog", lambda: bring(studio, names, npz))
            seconds(took, "import what is there already", lambda: bring(studio, names, npz))
            copies = Path(folder) / "copy.csv", Path(folder) / "copy.npz"
            seconds(took, "export", lambda copies=copies: export_features(studio, *copies))
        rows = arguments.rows
        for task, times in took.items():
            print(
                f"{task:30} {statistics.median(times):6.2f} s, {rows / statistics.median(times):7.0f} rows/s"
            )
        alone = took["read and decompress alone"]
        beyond = [
            rows / (b - a) for a, b in zip(alone, took["import into an empty catalog"], strict=True)
        ]
        print(
            f"beyond reading: {statistics.median(beyond):.0f} rows/s (from {min(beyond):.0f} to {max(beyond):.0f})"
        )


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


def bring(studio: Studio, names: Path, npz: Path) -> None:
    """Import; but for the building of indexes, which `seconds` of the summary does not count either."""
    import_features(studio, names, npz)


def empty(studio: Studio) -> None:
    with studio.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("TRUNCATE garment"))
        connection.execute(text("CHECKPOINT"))


def seconds(took: dict[str, list[float]], task: str, run: Callable[[], object]) -> None:
    began = time.perf_counter()
    run()
    took.setdefault(task, []).append(time.perf_counter() - began)


if __name__ == "__main__":
    main()
