"""Load, overload and stopping, on the real server."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from service.settings import Settings

from .conftest import JPEG
from .serving import Server, free_port, multipart, ready_server, served

PHOTO = multipart(JPEG)
IMPATIENT = "from service.web import connections; connections.PATIENCE_SECONDS = 4\n"


def similar(server: Server) -> int:
    return server.ask("POST", "/api/v1/similar", PHOTO)[0]


@pytest.mark.usefixtures("catalog")
def test_beyond_the_limit_it_refuses_at_once() -> None:
    with ready_server("--no-worker", FASHION_STUDIO_MAX_IN_FLIGHT="2") as server:
        refusals: list[tuple[float, dict[str, Any], dict[str, str]]] = []

        def ask() -> int:
            began = time.monotonic()
            status, document, headers = server.ask("POST", "/api/v1/similar", PHOTO)
            if status == 503:
                refusals.append((time.monotonic() - began, document, headers))
                time.sleep(0.05)
            return status

        answers = server.load(16, ask, seconds=4)
        assert answers.keys() == {200, 503}
        assert all(document["code"] == "overloaded" for _, document, _ in refusals)
        assert all(int(headers["Retry-After"]) >= 1 for _, _, headers in refusals)
        times = sorted(seconds for seconds, _, _ in refusals)
        assert times[len(times) // 2] < 0.25  # the machine is busy; an answer takes longer still
        text = server.ask("GET", "/metrics")[1]
        counted = re.search(r'refused_total{code="overloaded"} (\d+)', text)
        assert counted is not None
        assert int(counted[1]) == answers[503]
        assert "fashion_studio_in_flight 0.0" in text
        assert "fashion_studio_in_flight_limit 2.0" in text


@pytest.mark.usefixtures("catalog")
def test_sixteen_clients_are_all_answered() -> None:
    with ready_server("--no-worker") as server:
        assert server.load(16, lambda: similar(server), requests=6) == {200: 96}


@pytest.mark.usefixtures("catalog")
def test_told_to_stop_it_answers_what_it_has_taken_in() -> None:
    """No connection that was accepted is reset; later ones are refused by the system."""
    with ready_server("--no-worker") as server:
        answers: dict[str, int] = {}
        stop = threading.Timer(1.5, server.process.send_signal, (signal.SIGTERM,))
        stop.start()
        found = server.load(12, lambda: similar(server), seconds=4)
        server.process.wait(30)
        assert server.process.returncode == 0
        answers = {str(key): count for key, count in found.items()}
        assert answers.pop("200") > 12
        assert answers.keys() <= {"ConnectionRefusedError"}


# Between a worker's last look for who has connected and the end of its listener
SLOW_TO_CLOSE = """
import time
from service.web.connections import Worker
take_in = Worker.accept
def dally(worker, listener):
    take_in(worker, listener)
    if not worker.alive:
        time.sleep(0.3)
Worker.accept = dally
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has filters for listeners")
@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_who_connects_while_it_stops_is_refused_and_not_reset(workers: str) -> None:
    with ready_server("--no-worker", "--workers", workers, before=SLOW_TO_CLOSE) as server:
        threading.Timer(1, server.process.send_signal, (signal.SIGTERM,)).start()
        answers = server.load(8, lambda: server.ask("GET", "/healthz")[0], seconds=3)
        assert server.process.wait(30) == 0
        assert answers.keys() == {200, "ConnectionRefusedError"}


@pytest.mark.usefixtures("catalog")
def test_slow_clients_do_not_keep_others_from_answers() -> None:
    """Heads that never end, and bodies that trickle: others are served, and these are given up."""
    with ready_server("--no-worker", before=IMPATIENT) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
        for number, connection in enumerate(slow):
            connection.sendall(b"POST /api/v1/similar HTTP/1.1\r\nHost: localhost\r\n")
            if number % 2:
                connection.sendall(
                    b"Content-Type: multipart/form-data; boundary=x\r\n"
                    b"Content-Length: 100000\r\n\r\n" + PHOTO[:200]
                )
        time.sleep(0.5)
        answers = server.load(4, lambda: similar(server), requests=5)
        assert answers == {200: 20}
        codes = set()
        for connection in slow:
            connection.settimeout(30)
            with connection.makefile("rb") as file:
                said = file.read()
            codes.add(json.loads(said.split(b"\r\n\r\n", 1)[1])["code"] if said else None)
            connection.close()
        assert codes == {None, "request_timeout"}


@pytest.mark.usefixtures("catalog")
def test_a_body_that_is_refused_unread_does_not_reset_the_connection() -> None:
    with ready_server("--no-worker", FASHION_STUDIO_RATE_LIMIT="1/hour") as server:
        large = multipart(JPEG + b"\0" * 3_000_000)
        assert server.ask("POST", "/api/v1/classify", large)[0] == 200
        status, document, headers = server.ask("POST", "/api/v1/classify", PHOTO)
        assert (status, document["code"]) == (429, "rate_limited")
        assert 1 <= int(headers["Retry-After"]) <= 7200
        assert server.ask("GET", "/healthz")[0] == 200


@pytest.mark.usefixtures("catalog")
def test_a_statement_that_takes_too_long_is_a_timeout(engine_of_the_test: Any) -> None:
    from sqlalchemy import text

    with ready_server("--no-worker", FASHION_STUDIO_REQUEST_SECONDS="0.5") as server:
        with engine_of_the_test.begin() as connection:
            connection.execute(text("LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"))
            status, document, _ = server.ask("GET", "/api/v1/garments/1/similar")
        assert (status, document["code"]) == (503, "timeout")
        assert server.ask("GET", "/api/v1/garments/1/similar")[0] == 200


@pytest.fixture
def engine_of_the_test(settings: Settings) -> Iterator[Any]:
    from service.catalog import open_engine

    assert settings.database_url is not None
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.mark.usefixtures("catalog")
def test_it_starts_within_five_seconds_and_without_tensorflow() -> None:
    libraries: set[str] = set()
    for _ in range(3):  # other tests take turns with it: one start alone may last twice its time
        port = free_port()
        began = time.monotonic()
        with served(port, "--no-worker") as process:
            server = Server(port, process)
            while not server.ready():
                assert time.monotonic() - began < 60
                time.sleep(0.05)
            seconds = time.monotonic() - began
            assert similar(server) == 200
            workers = psutil.Process(process.pid).children()
            libraries = {library.path for worker in workers for library in worker.memory_maps()}
        if seconds < 5:
            break
    else:
        pytest.fail(f"its last start of three took {seconds:.1f} s")
    assert any("openvino" in path for path in libraries)
    assert not any("site-packages/tensorflow" in path for path in libraries)
