"""Catalogs to back up, and what tells that two of them are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service import catalog
from service.catalog import (
    open_engine,
    similar,
    store_key,
)
from service.catalog.schema.migration import _scripts
from service.images import Images, open_images
from tests.catalog.conftest import loader, model_id, shelve
from tests.test_cli import catalog as taken_in

__all__ = ["loader", "model_id", "shelve", "taken_in"]
HEAD = _scripts().get_current_head()
TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      AND NOT starts_with(relname::text, 'procrastinate_')
    ORDER BY relname
"""
ROWS = "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {} AS t"


def contents(engine: Engine) -> dict[str, tuple]:
    """Of every table: the number of its rows, and a digest of all that is in them."""
    with engine.connect() as connection:
        return {
            table: tuple(connection.execute(text(ROWS.format(table))).one())
            for table in connection.scalars(text(TABLES)).all()
        }


@pytest.fixture
def other(empty_database_url: str) -> Iterator[Engine]:
    """A database where nothing is."""
    engine = open_engine(empty_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def root(tmp_path: Path) -> Images:
    (tmp_path / "images").mkdir()
    return open_images(str(tmp_path / "images"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.backup"


@pytest.fixture
def few(engine: Engine, shelve: Callable[..., np.ndarray]) -> np.ndarray:
    """A catalog with a key and an import under way; returns the embeddings of its Tees."""
    vectors = shelve("Tee", 60)
    shelve("Dress", 10, 1)
    store_key(engine, name="shop", digest=bytes(32), scopes=["read"])
    catalog.Run.start(engine, source="/photos", labels="given")
    return vectors


def answers(engine: Engine, vectors: np.ndarray, **how: object) -> list[object]:
    return [similar(engine, v, labels=["Tee", "Dress"], n=9, **how) for v in vectors[::20]]
