"""How many requests a client may make in a while.

Counted in each process's memory: with several server processes a client may make as many times more,
and a restart forgets. A limit across machines is the business of the proxy before them.
"""

from __future__ import annotations

import math
import time

from flask import Flask, g, request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from service.errors import RateLimited


def limit_rates(app: Flask, rate: str | None) -> None:
    """Refuse an API client's requests beyond `rate`, such as "600/minute"; None: no limit.

    A client is its API key where it has one (`g.api_key_id`), else its address.
    """
    if rate is None:
        return
    allowed, window = parse(rate), SlidingWindowCounterRateLimiter(MemoryStorage())

    def count() -> None:
        if not request.path.startswith("/api/"):
            return
        client = str(getattr(g, "api_key_id", None) or request.remote_addr)
        if not window.hit(allowed, client):
            reset = window.get_window_stats(allowed, client).reset_time
            raise RateLimited(
                f"More than {rate} from one client. Wait as long as Retry-After says.",
                retry_after=max(1, math.ceil(reset - time.time())),
            )

    app.before_request(count)
