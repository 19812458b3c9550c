"""Processes that work for this one, and end with it; and what tells this one to end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from service.processors import processors

LOOK_SECONDS = 0.2  # between two looks at whether it was told to stop


class Stop:
    """Told by the handler of a signal. Unlike `threading.Event` it has no lock: the thread that the signal
    interrupts might hold it."""

    def __init__(self) -> None:
        self._told = False

    def set(self) -> None:
        self._told = True

    def is_set(self) -> bool:
        return self._told

    def wait(self, seconds: float) -> bool:
        """Until it is told, but no longer than that; whether it is."""
        until = time.monotonic() + seconds
        while not self._told and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
        return self._told


def process_pool(
    processes: int | None = None, begin: Callable[..., object] | None = None, *given: Any
) -> ProcessPoolExecutor:
    """So many processes, by default one a processor; each first calls `begin` with what is given."""
    context = multiprocessing.get_context("spawn")  # the caller may have threads
    return ProcessPoolExecutor(processes or processors(), context, _begin, (begin, *given))


def _begin(begin: Callable[..., object] | None, *given: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*given)


def _end_with_parent() -> None:
    """Who is killed cannot end its processes, and they would wait for work for ever."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os._exit(1)
