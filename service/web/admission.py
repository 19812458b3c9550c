"""How many requests are worked on at once, and for how long.

The network and Postgres are as fast as they are: more requests at once only wait longer. So each
process works on a bounded number, and refuses those beyond it while they are cheap to refuse: where
the process is full, before their body is read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from service.errors import Overloaded, TimeLimit
from service.web import metrics

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


class Admission:
    """most: requests worked on at once. seconds: how long each may take, its body not counted."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self._inside = 0
        metrics.IN_FLIGHT_LIMIT.set(most)
        self._lock = threading.Lock()

    def require_room(self) -> None:
        """A look from the door, before anything is read. Raises `Overloaded`."""
        if self._inside >= self.most:
            raise Overloaded()

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Inside, the request counts, and its time runs. Raises `Overloaded`."""
        with self._lock:
            self.require_room()
            self._inside += 1
        metrics.IN_FLIGHT.inc()
        token = _deadline.set(time.monotonic() + self.seconds)
        try:
            yield
        finally:
            _deadline.reset(token)
            metrics.IN_FLIGHT.dec()
            with self._lock:
                self._inside -= 1


def require_time() -> None:
    """Raises `TimeLimit` where the request that is being worked on has had its time."""
    deadline = _deadline.get()
    if deadline is not None and time.monotonic() > deadline:
        raise TimeLimit()
