"""Processes that work for this one, and end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from service.processors import processors


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
