"""A switch of models beside a restore or a backup of the same catalog.

Of a restore and a switch whichever comes second is refused, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text

from service.backup import Report, back_up, restore
from service.catalog import (
    Reembedding,
    make_generation,
    only_switcher,
    register,
    serving_id,
    swap,
)
from service.catalog.database import patience
from service.errors import CatalogNotEmpty, SwitchRunning
from service.images import Images
from tests.catalog.generations.conftest import NEW, embed
from tests.catalog.waiting import wait_for_a_waiter
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


def test_a_backup_that_begins_in_the_moment_of_a_swap_is_of_one_model(
    engine: Engine, other: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    new_id = register(engine, **NEW)
    make_generation(engine, new_id)
    reembedding = Reembedding(engine, new_id)
    embed(reembedding)
    backups: list[Future[Report]] = []

    def begin(connection: Connection) -> None:
        """With what the swap is about to lock, in tables that a backup comes to."""
        assert not backups
        connection.execute(text("LOCK TABLE feedback, garment IN ACCESS EXCLUSIVE MODE"))
        backups.append(pool.submit(back_up, engine, root, file))
        wait_for_a_waiter(engine)

    with ThreadPoolExecutor(1) as pool:
        swap(engine, reembedding, conclude=begin)
        assert backups[0].result(60).rows["garment"] == 70
    restore(other, root, file)
    with other.connect() as connection:
        seen_by = set(connection.scalars(text("SELECT model_id FROM garment")))
    assert seen_by == {serving_id(other)} == {new_id}
