"""So many at once, the others in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType

from service.processors import processors


class Turns:
    """A semaphore that nobody can jump, as `threading`'s can be: a context manager for each who enters.

    For work that the processor shares: more threads at once only take Python's lock, and each other's
    caches, from those that are nearly done, and from whoever has but a word to say.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        try:
            called.acquire()
        except BaseException:  # Ctrl-C
            self._go(called)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._call_next()

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._free += 1

    def _go(self, called: threading.Lock) -> None:
        """Leave the queue; who was called meanwhile calls the next one."""
        with self._lock:
            if called in self._waiting:
                self._waiting.remove(called)
            else:
                self._call_next()


processor = Turns(processors() + 2)
"""For whoever decodes a photo or runs it through the network: no core idles for want of another one."""
