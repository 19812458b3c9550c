"""A catalog on servers of several versions, and the tools that fit them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, make_url, text

from service import catalog
from service.backup import back_up, move
from service.catalog import (
    open_engine,
)
from service.catalog.database import pgtools
from service.errors import (
    PostgresToolsMissing,
)
from service.images import Images
from tests.catalog.test_embedded import open_folder

from .conftest import answers


def test_a_server_that_is_newer_than_every_pg_dump_is_said(
    engine: Engine, root: Images, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgtools, "_installed", lambda: iter([pgtools.Tools(9, Path("/nowhere"))]))
    with engine.connect() as connection:
        version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    words = rf"Postgres {version}.*of version {version} or later.*on PATH"
    with pytest.raises(PostgresToolsMissing, match=words):
        back_up(engine, root, file)
    assert not file.exists()


def test_the_oldest_tools_that_are_new_enough_are_taken() -> None:
    assert pgtools.tools(16, "").version == 16
    assert pgtools.tools(17, "").version in (17, 18)


@pytest.fixture
def server_16() -> Iterator[Engine]:
    """A second real server, of another major version."""
    with open_folder() as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("service.catalog.database.embedded.TARGET_POSTGRES_VERSION", 16)
            engine = open_engine(catalog.start_embedded(folder / "postgres"))
        yield engine
        engine.dispose()


def test_a_catalog_moves_to_another_server_of_another_version_and_back(
    engine: Engine,
    other: Engine,
    server_16: Engine,
    few: np.ndarray,
    root: Images,
    tmp_path: Path,
) -> None:
    before = answers(engine, few, exact=True)
    with server_16.connect() as connection:
        assert connection.scalar(text("SHOW server_version")).startswith("16.")
    move(engine, server_16, root, tmp_path)
    assert answers(server_16, few, exact=True) == before
    move(server_16, other, root, tmp_path)
    assert answers(other, few, exact=True) == before
    assert answers(engine, few, exact=True) == before


def test_a_backup_outlasts_a_server_that_ends_transactions_in_which_nothing_is_asked(
    database_url: str, few: np.ndarray, root: Images, file: Path
) -> None:
    hasty = {"options": "-c idle_in_transaction_session_timeout=200ms"}
    url = make_url(database_url).update_query_dict(hasty)
    engine = open_engine(url.render_as_string(hide_password=False))

    def slow(what: str, done: int, total: int | None) -> None:
        if what == "catalog, MB":
            time.sleep(1)

    assert back_up(engine, root, file, advance=slow).rows["garment"] == 70
    engine.dispose()
