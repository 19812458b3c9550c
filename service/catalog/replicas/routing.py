"""Reads that a replica answers where it can, and the primary where it cannot.

Whatever goes wrong on a replica, what it refuses or does not have included, the primary is asked.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Literal, TypeVar

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.catalog.database.engine import open_engine
from service.catalog.database.urls import replica_url
from service.catalog.replicas.replica import Replica, lookout
from service.errors import DatabaseUnavailable, FashionStudioError, TimeLimit

LOOK_SECONDS = 1.0  # between two looks at where a replica is
LOCK_SECONDS = 0.3
"""To wait for a lock on a replica, where the replay of a swap or of a truncation holds it for as long as
the WAL takes to come."""

AnsweredBy = Literal["replica", "primary"]
Answer = TypeVar("Answer")

_from_primary: ContextVar[bool] = ContextVar("from_primary", default=False)

log = logging.getLogger(__name__)


class Replicas:
    """The replicas of one primary; without any, or before `watch`, the primary answers everything.

    urls: as `FASHION_STUDIO_REPLICA_URL` has them. pool_size, statement_seconds: as of the primary's
    engine. Raises `SettingsInvalid`; no server is asked before `watch`.
    """

    def __init__(
        self,
        primary: Engine,
        urls: Sequence[str],
        *,
        lag_seconds: float,
        pool_size: int = 5,
        statement_seconds: float | None = None,
    ) -> None:
        self.lag_seconds = lag_seconds
        self.count: Callable[[AnsweredBy], None] = lambda answered_by: None
        """Called with who answered each read, where there are replicas."""
        self.see: Callable[[Replica], None] = lambda replica: None
        """Called with each once a second."""
        self._primary = primary
        self._lookout = lookout(primary)
        self._closed = threading.Event()
        found = [replica_url(url, primary.url) for url in urls]
        self.all = [
            Replica(
                open_engine(
                    url.render_as_string(hide_password=False),
                    pool_size=pool_size,
                    statement_seconds=statement_seconds,
                    lock_seconds=LOCK_SECONDS,
                ),
                lag_seconds,
            )
            for url in found
        ]

    def watch(self) -> None:
        """Look at each once a second from now on, in threads of their own, and let them answer."""
        if self.all:
            threading.Thread(target=self._watch, name="replicas", daemon=True).start()

    def prefer_primary(self, whether: bool) -> None:
        """In this context: let the primary answer, because whoever asks has just written."""
        _from_primary.set(whether)

    def read(self, ask: Callable[[Engine], Answer]) -> Answer:
        """What `ask` says of a replica that is not too far behind, or else of the primary.

        ask: reads, and may be called twice. Raises what it raises of the primary, and `TimeLimit`.
        """
        if not self.all:
            return ask(self._primary)
        fresh = [r for r in self.all if r.trouble is None] if not _from_primary.get() else []
        if fresh:
            replica = random.choice(fresh)
            try:
                answer = ask(replica.engine)
            except TimeLimit:  # there is none left for the primary
                raise
            except (FashionStudioError, SQLAlchemyError, psycopg.Error) as error:
                if isinstance(error, DatabaseUnavailable):
                    replica.fail(error)
            else:
                self.count("replica")
                return answer
        self.count("primary")
        return ask(self._primary)

    def troubles(self) -> list[str]:
        """A line for each replica that does not answer."""
        return [
            f"The primary answers for the replica {replica.name}: {said}."
            for replica in self.all
            if (said := replica.trouble) is not None
        ]

    def close(self) -> None:
        self._closed.set()
        for replica in self.all:
            replica.close()
        self._lookout.dispose()

    def _watch(self) -> None:
        looks: dict[Replica, threading.Thread] = {}
        said: dict[Replica, str | None] = dict.fromkeys(self.all, "")
        while not self._closed.is_set():
            for replica in self.all:
                if (last := looks.get(replica)) is None or not last.is_alive():
                    looks[replica] = threading.Thread(
                        target=replica.look, args=(self._lookout,), name="replica", daemon=True
                    )
                    looks[replica].start()
                elif replica.trouble is not None:
                    replica.let_go()
                self.see(replica)
                if (trouble := replica.trouble) is None and said[replica] is not None:
                    log.warning("The replica %s answers from now on.", replica.name)
                elif trouble is not None and said[replica] is None:
                    log.warning(
                        "The primary answers for the replica %s: %s.", replica.name, trouble
                    )
                said[replica] = trouble
            self._closed.wait(LOOK_SECONDS)
