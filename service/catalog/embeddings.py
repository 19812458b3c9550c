"""From numpy to halfvec: what the database stores and compares."""

from __future__ import annotations

import numpy as np
from pgvector import HalfVector

from service.catalog.tables import FEATURES


def to_halfvec(embedding: np.ndarray) -> HalfVector:
    """The embedding as stored, rounded to float16.

    embedding: (2048,) of any float dtype. Raises ValueError where its shape is another, a value is
    not finite in float16 (above 65,504), or all are zero: a zero vector has no cosine.
    """
    embedding = np.asarray(embedding)
    if embedding.shape != (FEATURES,):
        raise ValueError(f"an embedding has {FEATURES} values, not {embedding.shape}")
    with np.errstate(over="ignore"):
        half = embedding.astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError("the embedding has values that are not finite in float16")
    if not half.any():
        raise ValueError("the embedding is all zero")
    return HalfVector(half)
