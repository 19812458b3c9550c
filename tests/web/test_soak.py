"""The long tests, of `make soak`: what shows only after minutes. `docs/performance.md` has results."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine

from .serving import Server, multipart, ready_server
from .test_faults import matches, photos, survive

__all__ = ["photos"]

pytestmark = pytest.mark.skipif(
    "FASHION_STUDIO_SOAK" not in os.environ, reason="takes half an hour: `make soak`"
)

SECONDS = int(os.environ.get("FASHION_STUDIO_SOAK_SECONDS", "120"))
REQUESTS = int(os.environ.get("FASHION_STUDIO_SOAK_REQUESTS", "50000"))
PICTURES = int(os.environ.get("FASHION_STUDIO_SOAK_PICTURES", "2000"))


def test_64_clients_for_two_minutes(catalog: Engine, photos: list[bytes]) -> None:
    """Every answer is the right one, or a refusal at once."""
    with ready_server("--no-worker") as server:
        right = [matches(server, photo) for photo in photos]
        wrong: list[Any] = []
        late: list[float] = []
        turn = iter(range(10**9))

        def ask() -> int:
            number = next(turn) % len(photos)
            began = time.monotonic()
            found = matches(server, photos[number])
            if found == (503, "overloaded"):
                late.append(time.monotonic() - began)
                time.sleep(0.2)
            elif found != right[number]:
                wrong.append(found)
            return found[0]

        answers = server.load(64, ask, seconds=SECONDS)
        late.sort()
        print(f"\n64 clients, {SECONDS} s: {dict(answers)}", end="")
        print(f"; a refusal took {late[len(late) // 2] * 1e3:.0f} ms (median)" if late else "")
        assert wrong == []
        assert set(answers) <= {200, 503}
        assert answers[200] > SECONDS


def test_memory_stays_flat(catalog: Engine, photos: list[bytes]) -> None:
    """Photos, garments and pages in turn; the first tenth is warming up."""
    with ready_server("--no-worker") as server:
        (worker,) = psutil.Process(server.process.pid).children()
        turn = iter(range(10**9))

        def ask() -> int:
            number = next(turn)
            if number % 10 == 0:
                return server.ask("POST", "/api/v1/similar", multipart(photos[number % 33]))[0]
            if number % 10 == 1:
                return server.ask("GET", f"/api/v1/garments/{1 + number % 33}/image?width=100")[0]
            return server.ask("GET", f"/api/v1/garments/{1 + number % 33}/similar")[0]

        sizes = []
        for _ in range(10):
            assert set(server.load(8, ask, requests=REQUESTS // 80)) == {200}
            sizes.append(worker.memory_info().rss / 1e6)
        print(f"\n{REQUESTS} requests, MB after each tenth: {[round(size) for size in sizes]}")
        assert sizes[-1] < 1.05 * sizes[0] + 10


def test_two_thousand_mutated_pictures(catalog: Engine, photos: list[bytes]) -> None:
    print(f"\n{PICTURES} pictures: {dict(survive(photos, PICTURES))}")


def test_it_is_stopped_and_started_again_and_again(catalog: Engine, photos: list[bytes]) -> None:
    """Ten stops under load: nobody who was let in goes without an answer."""
    for _ in range(10):
        with ready_server("--no-worker") as server:
            timer = threading.Timer(1.0, server.process.send_signal, (signal.SIGTERM,))
            timer.start()
            answers = server.load(12, lambda: ask_once(server, photos), seconds=2.5)
            assert server.process.wait(30) == 0
            assert set(answers) <= {200, "ConnectionRefusedError"}


def ask_once(server: Server, photos: list[bytes]) -> int:
    return matches(server, photos[0])[0]
