"""Turns: never more at once, nobody overtaken, nobody forgotten."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from service.turns import Turns


def until_waiting(turns: Turns, count: int) -> None:
    end = time.monotonic() + 10
    while len(turns._waiting) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_no_more_than_so_many_are_inside() -> None:
    turns, inside, seen = Turns(3), [], []

    def work() -> None:
        for _ in range(30):
            with turns:
                inside.append(1)
                seen.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen) == 3


def test_first_come_first_served_also_where_one_comes_back() -> None:
    turns, order = Turns(1), []

    def work(name: str) -> None:
        with turns:
            order.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    with turns:
        for count, thread in enumerate(threads, start=1):
            thread.start()
            until_waiting(turns, count)
    with turns:  # at once, before any of those that wait has woken up
        order.append("again")
    for thread in threads:
        thread.join()
    assert order == ["a", "b", "c", "d", "again"]


def test_whoever_fails_inside_gives_the_turn_back() -> None:
    turns = Turns(1)
    for _ in range(2):
        with pytest.raises(LookupError, match="inside"), turns:
            raise LookupError("inside")


INTERRUPTED = """
import signal, threading, time
from service.turns import Turns

signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts tests in the background ignores it
turns, last = Turns(1), threading.Event()


def interrupt():
    while not turns._waiting:
        time.sleep(0.001)
    time.sleep(0.2)  # it waits by now
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def work():
    with turns:
        last.set()


turns.__enter__()
threading.Thread(target=interrupt).start()
try:
    turns.__enter__()
except KeyboardInterrupt:
    assert not turns._waiting
    threading.Thread(target=work).start()
    turns.__exit__(None, None, None)
    assert last.wait(10)
    print("went on")
"""


def test_whoever_is_interrupted_leaves_the_queue() -> None:
    """In a process of its own, whose signals are its own."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "went on\n", done.stderr


def test_who_was_called_and_interrupted_at_once_calls_the_next_one() -> None:
    turns = Turns(1)
    called = threading.Lock()
    turns.__enter__()
    turns._waiting.append(called)
    called.acquire()
    turns.__exit__(None, None, None)  # calls it
    turns._go(called)
    with turns:
        pass
