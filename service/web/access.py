"""Keys as one process knows them, and where a server may listen without any."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

from sqlalchemy import Engine

from service.catalog import ApiKey, any_key, find_key
from service.errors import DatabaseUnavailable, KeysMissing
from service.keys import digest

REMEMBERED = 1.0  # seconds for which what the database said of a key is believed
MOST_REMEMBERED = 10_000

Mode = Literal["auto", "keys", "open"]


class Access:
    """What one process knows of keys: never older than a second, so that revoking one works at once.

    mode: `keys`, only with a key; `open`, for everyone; `auto`, open until a key was made. A revoked
    key counts as made: revoking the last one must not open what it closed.
    """

    def __init__(self, engine: Callable[[], Engine], mode: Mode) -> None:
        self.mode = mode
        self._engine = engine
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[float, ApiKey]] = {}
        self._none_until = 0.0  # no key is known to exist until then
        self._made: bool | None = None  # None: it was never asked

    def required(self) -> bool:
        """Whether a caller without a key is turned away.

        While the primary is away no key can be made, and what it said last holds. Raises
        `DatabaseUnavailable` where it never answered.
        """
        if self.mode != "auto":
            return self.mode == "keys"
        if not self._made and time.monotonic() >= self._none_until:
            asked = time.monotonic()
            try:
                self._made = any_key(self._engine())
            except DatabaseUnavailable:
                if self._made is None:
                    raise
            self._none_until = asked + REMEMBERED
        return bool(self._made)

    def key(self, secret: str) -> ApiKey | None:
        """The valid key that `secret` is. Raises `DatabaseUnavailable`."""
        asked, name = time.monotonic(), digest(secret)
        until, key = self._known.get(name, (0.0, None))
        if asked < until:
            return key
        key = find_key(self._engine(), name)
        with self._lock:
            if key is None:
                self._known.pop(name, None)
            else:
                if len(self._known) >= MOST_REMEMBERED:
                    self._known.clear()
                self._known[name] = asked + REMEMBERED, key
        return key


def require_keys(engine: Engine, mode: Mode, hosts: Sequence[str]) -> Mode:
    """The mode to serve in on `hosts`. Raises `KeysMissing` where it would be open to others."""
    others = [host for host in hosts if not is_loopback(host)]
    if mode == "open" or (mode == "auto" and not others):
        return mode
    if not any_key(engine, valid=True):
        if mode == "keys":
            raise KeysMissing()
        raise KeysMissing(
            f"On {others[0]} others could use the API, and there is no key. Make one with `fashion-studio "
            "keys create --name NAME --scope read`, or listen on 127.0.0.1, or set "
            "FASHION_STUDIO_ACCESS=open where something in front asks who they are."
        )
    return "keys"


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
