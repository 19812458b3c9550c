"""A catalog with a model of three labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from sqlalchemy import Engine

from service.catalog import Loader, attach, open_engine

from .samples import BUNDLE, LABELS, embedding, row, shelved


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    """An engine on a database that was never migrated."""
    engine = open_engine(empty_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def model_id(engine: Engine) -> int:
    return attach(engine, **BUNDLE)


@pytest.fixture
def loader(engine: Engine, model_id: int) -> Loader:
    return Loader(engine, model_id)


@pytest.fixture
def fill(loader: Loader) -> Callable[[int], np.ndarray]:
    """Store `count` garments, labels in turn, ids from 1; returns (count, 2048) float16."""

    def fill(count: int) -> np.ndarray:
        vectors = np.stack([embedding(i) for i in range(count)])
        loader.write(
            [
                row(
                    f"{i:06}.jpg",
                    label=LABELS[i % len(LABELS)],
                    predicted_label=LABELS[0],
                    embedding=vectors[i],
                )
                for i in range(count)
            ]
        )
        return vectors.astype(np.float16)

    return fill


@pytest.fixture
def shelve(loader: Loader) -> Callable[..., np.ndarray]:
    """`samples.shelved` in the test's own catalog."""
    return partial(shelved, loader)
