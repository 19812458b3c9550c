"""Processes that make views of photos or draw garments, and what becomes of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from service.collection import Recipe, draw_collection
from service.errors import FashionStudioError, TrainingImpossible
from service.processes import Stop
from service.training.views import Views

VIEWS = """
with Views(np.zeros((2, 48, 48, 3), np.uint8)) as views:
    list(views.batches(np.array([[0, 1]]), 32, np.random.SeedSequence(0)))
    wait()
"""
DRAWN = "draw_collection(Path(sys.argv[1]), Recipe(garments=220, size=32), wait)"
SCRIPT = """
import multiprocessing, sys, time
from pathlib import Path
import numpy as np
from service.collection import Recipe, draw_collection
from service.training.views import Views

def wait(*_):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(600)

"""


@pytest.mark.parametrize("work", [VIEWS, DRAWN], ids=["views", "drawn"])
def test_who_is_killed_leaves_no_process_behind(work: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT + work, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        workers = [int(pid) for pid in run.stdout.readline().split()]
        assert workers
        assert all(_runs(pid) for pid in workers)
        os.kill(run.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(_runs(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker waits for a run that is no more"
        time.sleep(0.1)


def test_views_whose_process_is_ended_are_one_line() -> None:
    with Views(np.zeros((1, 48, 48, 3), np.uint8)) as views:
        batches = views.batches(np.zeros((50, 4), int), 32, np.random.SeedSequence(0))
        next(batches)
        _kill()
        with pytest.raises(TrainingImpossible, match="was ended, perhaps for want of memory"):
            list(batches)


def test_drawing_whose_process_is_ended_is_one_line_and_goes_on(tmp_path: Path) -> None:
    recipe = Recipe(garments=110, size=32)
    with pytest.raises(FashionStudioError, match="was ended, perhaps for want of memory"):
        draw_collection(tmp_path, recipe, lambda done, total: _kill())
    left: list[int] = []
    draw_collection(tmp_path, recipe, lambda done, total: left.append(total - done))
    assert 0 < len(left) < 110
    assert left[-1] == 0


def test_a_stop_is_heard_where_a_signal_interrupts_the_wait_for_it() -> None:
    stop, began = Stop(), time.monotonic()
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGUSR1,))
    timer.start()
    try:
        assert not stop.wait(0.1)
        assert stop.wait(30)
        assert time.monotonic() - began < 10
        assert stop.wait(30)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def _kill() -> None:
    for child in multiprocessing.active_children():
        child.kill()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
