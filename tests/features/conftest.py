"""The seed project's files, made for tests and read back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from service.artifacts import bring
from service.studio import Studio

HEADER = ("image_name", "category_label")
LABELS = ("Blazer", "Cardigan", "Hoodie", "Jacket", "Sweater", "Tank", "Tee", "Top", "Dress")


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 2048), np.float32) + 0.01


def write(
    folder: Path,
    features: np.ndarray,
    lines: list | None = None,
    *,
    compressed: bool = True,
    **arrays: np.ndarray,
) -> tuple[Path, Path]:
    """The two files; by default rows `0.jpg, 0`, `1.jpg, 1`, …"""
    table, npz = folder / "labels.csv", folder / "features.npz"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(lines or [(f"{i}.jpg", i % 9) for i in range(len(features))])
    save = np.savez_compressed if compressed else np.savez
    save(npz, features=features, **arrays)
    return table, npz


def read(table: Path, npz: Path) -> tuple[list[dict[str, str]], np.ndarray]:
    with np.load(npz) as arrays, table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), arrays["features"]


def counts(summary) -> tuple[int, int, int, int, int]:
    found = summary.as_dict()
    return tuple(found[k] for k in ("seen", "added", "updated", "unchanged", "rejected"))


def stored(studio: Studio) -> list[tuple[str, str]]:
    with studio.engine.connect() as connection:
        rows = connection.execute(text("SELECT image_path, label FROM garment ORDER BY id"))
        return [tuple(row) for row in rows]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bring, "BATCH", 8)
