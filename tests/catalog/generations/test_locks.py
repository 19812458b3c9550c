"""A swap among others that want the same locks: it ends, and so do they."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.catalog import (
    attach,
    cancel_switch,
    last_switch,
    only_switcher,
    serving_id,
    start_switch,
    swap,
)
from service.errors import BundleMismatch, SwitchCancelled, SwitchRefused

from ..samples import BUNDLE, row
from ..waiting import wait_for_a_waiter
from .conftest import COUNT, embed, execute

STRANGER = BUNDLE | {"name": "stranger", "content_sha256": "77" * 32}


def test_what_is_embedded_while_writers_wait_does_not_wait_behind_them(
    engine, loader, new_id, reembedding
):
    """Postgres cannot see that the swap waits for another connection that waits for the swap."""
    embed(reembedding)
    loader.write([row("late.jpg")])
    took = []

    def alter():
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))  # as a migration's
            connection.execute(text("LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"))

    def catch_up(beside, hasty):
        assert hasty
        altering.append(pool.submit(alter))
        wait_for_a_waiter(engine)
        began = time.monotonic()
        assert embed(beside) == ["late.jpg"]
        took.append(time.monotonic() - began)

    altering = []
    with ThreadPoolExecutor(1) as pool:
        swap(engine, reembedding, catch_up=catch_up)
        for thread in altering:
            thread.result(30)
    assert len(took) == 1
    assert took[0] < 5
    assert serving_id(engine) == new_id


def test_a_process_that_starts_with_another_bundle_is_no_obstacle(
    engine, loader, new_id, reembedding
):
    embed(reembedding)
    loader.write([row("late.jpg")])
    attempts = []

    def catch_up(beside, hasty):
        if not starting:
            starting.append(pool.submit(attach, engine, **STRANGER))
            wait_for_a_waiter(engine)
        embed(beside)

    starting = []
    with ThreadPoolExecutor(1) as pool:
        swap(engine, reembedding, catch_up=catch_up, beat=lambda: attempts.append(1))
        with pytest.raises(BundleMismatch, match="were embedded with new@1"):
            starting[0].result(30)
    assert len(attempts) == 1, "neither stood in the other's way"
    assert serving_id(engine) == new_id


@pytest.mark.parametrize("held", ["ACCESS SHARE", "ROW EXCLUSIVE"])
def test_a_swap_that_waits_hears_that_it_is_cancelled(engine, model_id, new_id, reembedding, held):
    """Behind a query that goes on, or behind whoever writes."""
    embed(reembedding)
    with only_switcher(engine):
        switch = start_switch(engine, new_id, {})

    def beat():
        switch.beat("swapping", 0, 0)

    with engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(text(f"LOCK TABLE garment IN {held} MODE"))
        swapping = pool.submit(swap, engine, reembedding, beat=beat, conclude=switch.conclude)
        wait_for_a_waiter(engine)
        assert cancel_switch(engine)
        with pytest.raises(SwitchCancelled):
            swapping.result(10)
    assert serving_id(engine) == model_id


def test_a_cancel_counts_up_to_the_swap_itself(engine, model_id, new_id, reembedding):
    embed(reembedding)
    with only_switcher(engine):
        switch = start_switch(engine, new_id, {})
    execute(engine, "UPDATE model_switch SET cancel_requested = true")
    with pytest.raises(SwitchCancelled):
        swap(engine, reembedding, conclude=switch.conclude)
    assert serving_id(engine) == model_id
    execute(engine, "UPDATE model_switch SET cancel_requested = false")
    swap(engine, reembedding, conclude=switch.conclude)
    assert serving_id(engine) == new_id
    assert last_switch(engine).state == "done"


def test_a_table_that_was_migrated_meanwhile_is_not_swapped_away(engine, model_id, reembedding):
    embed(reembedding)
    execute(engine, "ALTER TABLE garment ADD season text")
    with pytest.raises(SwitchRefused, match="changed meanwhile"):
        swap(engine, reembedding)
    assert serving_id(engine) == model_id
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(season IS NULL) FROM garment")) == COUNT + 20
