"""Another model's garments beside the serving one's."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from service.catalog import (
    Reembedding,
    make_generation,
    register,
    similar,
)

from ..samples import BUNDLE, clustered, row
from ..schema import SCHEMA

NEW = BUNDLE | {"name": "new", "content_sha256": "11" * 32, "labels": ("Dress", "Tee", "Robe")}
COUNT = 150


def as_new(path: str) -> np.ndarray:
    """What the new model says of a photo: nothing like the old one's."""
    seed = int.from_bytes(path.encode()[-8:], "big")
    return clustered(1, seed)[0]


def answer(left, label="Tee"):
    """As the new model would store a garment: what it is given stays, what is predicted is `label`."""
    return row(
        left.image_path,
        label=left.label if left.label_source == "given" else label,
        label_source=left.label_source,
        predicted_label=label,
        embedding=as_new(left.image_path),
        content_sha256=left.content_sha256,
    )


def embed(reembedding):
    """Show all that is left to the new model; returns the paths."""
    seen = []
    while batch := reembedding.left(after=0, rows=64):
        reembedding.write([answer(left) for left in batch], [])
        seen += [left.image_path for left in batch]
    return seen


@pytest.fixture
def new_id(engine, model_id):
    return register(engine, **NEW)


@pytest.fixture
def stocked(engine, shelve, loader):
    """Tees that were predicted, and Blazers that were given."""
    vectors = shelve("Tee", COUNT)
    given = clustered(20, seed=5)
    loader.write(
        [
            row(f"given/{i}.jpg", label="Blazer", label_source="given", embedding=vector)
            for i, vector in enumerate(given)
        ]
    )
    return vectors


@pytest.fixture
def reembedding(engine, stocked, new_id):
    make_generation(engine, new_id)
    return Reembedding(engine, new_id)


def shape(engine):
    with engine.connect() as connection:
        return {part: connection.execute(text(query)).all() for part, query in SCHEMA.items()}


def execute(engine, statement, **values):
    with engine.begin() as connection:
        return connection.execute(text(statement), values)


def nearest(engine, vector, **options):
    matches, method = similar(engine, vector, labels=["Tee"], n=5, **options)
    return [(match.id, match.image_path) for match in matches], method
