"""How many requests a client may make in a while.

Counted in each process's memory: with several server processes a client may make as many times more,
and a restart forgets. A limit across machines is the business of the proxy before them.
"""

from __future__ import annotations

import math
import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from service.errors import RateLimited


class Rates:
    """rate: such as "600/minute", for each client; None: no limit."""

    def __init__(self, rate: str | None) -> None:
        self._rate = None if rate is None else parse(rate)
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, client: str) -> None:
        """Raises `RateLimited` for a request beyond the rate, which does not count itself."""
        if self._rate is None or self._window.hit(self._rate, client):
            return
        reset = self._window.get_window_stats(self._rate, client).reset_time
        raise RateLimited(
            f"A client may make {self._rate} requests. Wait as long as Retry-After says.",
            retry_after=max(1, math.ceil(reset - time.time())),
        )
