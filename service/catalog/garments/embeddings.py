"""From numpy to halfvec: what the database stores and compares."""

from __future__ import annotations

import numpy as np
from pgvector import HalfVector

from service.catalog.schema.tables import FEATURES

SENT_HEAD = 4
"""Bytes before the numbers of a halfvec as `halfvec_send` gives it: dimensions and flags."""

INFINITE = 0x7C00  # a float16 without its sign, as an integer: from here on infinite or no number


def to_halfvec(embedding: np.ndarray) -> HalfVector:
    """The embedding as stored, rounded to float16.

    embedding: (2048,) of any float dtype. Raises ValueError where its shape is another, a value is
    not finite in float16 (above 65,504), or all are zero: a zero vector has no cosine.
    """
    return HalfVector(to_half([embedding])[0])


def from_sent(sent: bytes) -> np.ndarray:
    """A halfvec as `halfvec_send` gives it, (dimensions,) float16, without its flags.

    A halfvec itself comes as text, and writing and reading 2,048 numbers takes a millisecond.
    """
    return np.frombuffer(sent, dtype=">f2", offset=SENT_HEAD).astype(np.float16)


def to_half(embeddings: list[np.ndarray]) -> np.ndarray:
    """Embeddings as stored, (n, 2048) float16. Raises ValueError as `to_halfvec`."""
    for embedding in embeddings:
        if np.shape(embedding) != (FEATURES,):
            raise ValueError(f"an embedding has {FEATURES} values, not {np.shape(embedding)}")
    half = as_float16(np.stack(embeddings))
    unfit = unfit_rows(half)
    if unfit.any():
        raise ValueError(f"the embedding {flaw(embeddings[int(unfit.argmax())])}")
    return half


def as_float16(embeddings: np.ndarray) -> np.ndarray:
    """As float16; what float16 cannot hold becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return embeddings.astype(np.float16)


def unfit_rows(half: np.ndarray) -> np.ndarray:
    """(n,) bool: which of (n, 2048) float16 have a value that is not finite, or nothing but zeros.

    The bits of a float16 without its sign are in the order of its size.
    """
    largest = (half.view(np.uint16) & 0x7FFF).max(axis=1)
    return (largest >= INFINITE) | (largest == 0)


def is_unfit(embedding: np.ndarray) -> bool:
    """Whether (2048,) of any float dtype cannot be stored; see `to_halfvec`."""
    return bool(unfit_rows(as_float16(embedding[None]))[0])


def flaw(embedding: np.ndarray) -> str:
    """What is wrong with an embedding, of any float dtype, that is unfit in float16."""
    if not np.isfinite(embedding).all():
        return "has values that are not finite"
    if np.isfinite(as_float16(embedding)).all():
        return "is all zero" if not np.any(embedding) else "is all zero in float16"
    return "has values that are not finite in float16: it holds up to 65,504"


def of_unit_length(embeddings: np.ndarray) -> np.ndarray:
    """(n, dimensions) of any float dtype, none of length 0, as new float32 rows of length 1."""
    wide = np.array(embeddings, np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide
