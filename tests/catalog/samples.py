"""A model of three labels and garments with random embeddings."""

from __future__ import annotations

import numpy as np

from service.catalog import Loader, Row

LABELS = ("Tee", "Dress", "Blazer")  # not in alphabetical order: position matters
BUNDLE = {
    "name": "tiny",
    "version": "1",
    "content_sha256": "ab" * 32,
    "labels": LABELS,
    "input_size": 96,
    "feature_size": 2048,
}


def embedding(seed: int) -> np.ndarray:
    """(2048,) float32, non-negative like pooled features."""
    return np.random.default_rng(seed).random(2048, dtype=np.float32)


def clustered(count: int, seed: int) -> np.ndarray:
    """(count, 2048) float32, non-negative, in about one group for 40: garments resemble others.

    Another seed is another region: another label.
    """
    rng = np.random.default_rng(seed)
    centres = rng.gamma(0.6, 1.0, (max(4, count // 40), 2048)).astype(np.float32)
    spread = rng.normal(0, 0.5, (count, 2048)).astype(np.float32)
    return np.maximum(centres[rng.integers(len(centres), size=count)] + spread, 0)


def row(path: str, **changes: object) -> Row:
    values = {
        "image_path": path,
        "label": "Tee",
        "label_source": "predicted",
        "confidence": 0.5,
        "predicted_label": "Tee",
        "embedding": embedding(len(path)),
        "content_sha256": "cd" * 32,
    }
    return Row(**values | changes)


def shelved(loader: Loader, label: str, count: int, seed: int = 0) -> np.ndarray:
    """Store `count` garments of a label, alike in groups; returns (count, 2048) float32."""
    vectors = clustered(count, seed)
    loader.write(
        [
            row(f"{label}/{seed}/{i:06}.jpg", label=label, embedding=vector)
            for i, vector in enumerate(vectors)
        ]
    )
    return vectors
