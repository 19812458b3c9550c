"""A restore and a switch of models of one catalog: whichever comes second is refused, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from service.backup import back_up, restore
from service.catalog import only_switcher
from service.catalog.database import patience
from service.errors import CatalogNotEmpty, SwitchRunning
from service.images import Images
from tests.test_cli import assert_one_line, run

from .conftest import contents


@contextmanager
def impatient() -> Iterator[None]:
    """Who finds the lock held does not wait; elsewhere the server may need a moment to see a holder go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patience, "PATIENCE", 0.0)
        yield


def test_nothing_is_restored_into_a_catalog_in_the_middle_of_a_switch(
    engine: Engine, few: np.ndarray, root: Images, file: Path, environment: dict[str, str]
) -> None:
    back_up(engine, root, file)
    before = contents(engine)
    with only_switcher(engine):
        with impatient(), pytest.raises(SwitchRunning):
            restore(engine, root, file, replace=True)
        assert_one_line(run("restore", file, "--replace"), 1, "switches this catalog's model")
    assert contents(engine) == before
    restore(engine, root, file, replace=True)


def test_no_switch_begins_in_the_middle_of_a_restore(
    engine: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    back_up(engine, root, file)
    refused = set()

    def try_to_switch(what: str, done: int, total: int | None) -> None:
        with impatient(), pytest.raises(SwitchRunning), only_switcher(engine):
            pass
        refused.add(what)

    restore(engine, root, file, replace=True, advance=try_to_switch)
    assert refused == {"checking, MB", "catalog, MB"}
    with only_switcher(engine):
        pass


def test_a_restore_that_is_refused_lets_switches_begin_again(
    engine: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    back_up(engine, root, file)
    with pytest.raises(CatalogNotEmpty):
        restore(engine, root, file)
    with only_switcher(engine):
        pass
