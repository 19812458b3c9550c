"""Clients that read slowly, or do not close: how long they hold a thread, and whom they keep waiting."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from service.web import connections
from service.web.connections import Timed

from .conftest import JPEG
from .serving import multipart, raw, ready_server

DATA = b"x" * 5_000_000


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Timed, socket.socket]]:
    """The server's end of a connection, and the client's, which has a small window."""
    monkeypatch.setattr(connections, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(connections, "BYTES_A_SECOND", 4_000_000)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.connect(listener.getsockname())
        with closing(listener.accept()[0]) as plain:
            yield Timed(plain), client


def test_who_reads_nothing_is_given_up_soon(pair: tuple[Timed, socket.socket]) -> None:
    """Not after the time that the whole answer would take at the least speed: 1.25 s here."""
    began = time.monotonic()
    with pytest.raises(ConnectionResetError):
        pair[0].sendall(DATA)
    assert 0.15 < time.monotonic() - began < 0.8


def test_who_trickles_is_given_up(pair: tuple[Timed, socket.socket]) -> None:
    server, client = pair
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            client.recv(8_192)  # a tenth of the least speed

    reader = threading.Thread(target=trickle)
    reader.start()

    def send() -> None:
        for start in range(0, len(DATA), 8_192):  # as a file is sent
            server.sendall(DATA[start : start + 8_192])

    began = time.monotonic()
    try:
        with pytest.raises(ConnectionResetError):
            send()
        assert time.monotonic() - began < 1.5
    finally:
        stop.set()
        reader.join()


def test_who_keeps_up_gets_everything(pair: tuple[Timed, socket.socket]) -> None:
    server, client = pair
    found = bytearray()

    def read() -> None:
        while len(found) < len(DATA):
            time.sleep(0.005)
            found.extend(client.recv(65_536))

    reader = threading.Thread(target=read)
    reader.start()
    server.sendall(DATA)
    reader.join()
    assert found == DATA


@pytest.mark.usefixtures("catalog")
def test_who_does_not_close_keeps_nobody_waiting() -> None:
    """They have their answers, and the server waits for each of them to close: beside all others."""
    with ready_server("--no-worker") as server:
        open_ones = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
        for connection in open_ones:
            connection.sendall(
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
        time.sleep(0.5)
        began = time.monotonic()
        for _ in range(5):
            assert server.ask("GET", "/healthz")[0] == 200
        assert time.monotonic() - began < 1.5
        for connection in open_ones:
            with connection, connection.makefile("rb") as file:
                assert file.read().startswith(b"HTTP/1.1 200")


@pytest.mark.usefixtures("catalog")
def test_a_large_body_that_is_refused_unread_does_not_cost_the_answer() -> None:
    with ready_server("--no-worker", FASHION_STUDIO_RATE_LIMIT="1/hour") as server:
        large = multipart(JPEG + b"\0" * 15_000_000)
        too_large = multipart(JPEG + b"\0" * 25_000_000)
        for body, code, connection in (
            (too_large, "image_too_large", "close"),
            (large, "rate_limited", "close"),
            (large, "rate_limited", "keep-alive"),
        ):
            headers = {"Connection": connection}
            assert server.ask("POST", "/api/v1/classify", body, headers=headers)[1]["code"] == code


@pytest.mark.usefixtures("catalog")
def test_a_body_that_is_no_http_is_the_clients_fault() -> None:
    with ready_server("--no-worker") as server:
        for path, kind in (
            ("/api/v1/classify", "multipart/form-data; boundary=x"),
            ("/session", "application/json"),
        ):
            head = (
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
            ).encode()
            answer = raw(server.port, head + b"zz\r\nabc\r\n0\r\n\r\n")
            assert answer.count(b"HTTP/1.1") == 1
            assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == "invalid_parameter"
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (70_000, b" " * 70_000)
        assert b'"body_too_large"' in raw(server.port, head + chunk)
