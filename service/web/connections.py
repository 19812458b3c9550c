"""Connections as gunicorn's threads see them: slow ones are given up, and nonsense gets a problem."""

from __future__ import annotations

import errno
import json
import socket
import time
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import TConn, ThreadWorker

PATIENCE_SECONDS = 15.0  # that reading a request, or sending an answer, may take however slow
BYTES_A_SECOND = 16_000  # beyond that, at least so fast: a slow telephone line of today


class TooSlow(NoMoreData):
    """gunicorn takes it for a client that went away, and closes the connection."""


class Worker(ThreadWorker):
    """A thread for each request, but no longer than a client earns by sending."""

    def enqueue_req(self, conn: TConn) -> None:
        if not isinstance(conn.sock, Timed):
            conn.sock = Timed(conn.sock)
        super().enqueue_req(conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        """When the server stops, take in who has connected already, then let no one else connect:
        closing a listener resets those that the system has greeted and nobody has accepted."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            taken = -1
            while taken != self.nr_conns:
                taken = self.nr_conns
                self.accept(listener)
            listener.close()

    def handle(self, conn: TConn) -> Any:
        conn.sock.begin()
        return super().handle(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        super().handle_error(req, _Rewriting(client), addr, exc)


class Timed:
    """A socket whose peer must keep up: a thread is held no longer than that."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._asked: float | None = None  # the timeout that gunicorn set
        self.begin()

    def begin(self) -> None:
        """A request begins."""
        self._deadline = time.monotonic() + PATIENCE_SECONDS

    def recv(self, size: int) -> bytes:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TooSlow()
        wait = remaining if self._asked is None else min(remaining, self._asked)
        self._plain.settimeout(wait)
        try:
            data = self._plain.recv(size)
        except TimeoutError:
            if self._asked is not None:  # gunicorn drains what nobody read, and takes it for an end
                raise
            raise TooSlow() from None
        self._deadline += len(data) / BYTES_A_SECOND
        return data

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(PATIENCE_SECONDS + len(data) / BYTES_A_SECOND)
        try:
            self._plain.sendall(data)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "the client reads too slowly") from None

    def settimeout(self, seconds: float | None) -> None:
        self._asked = seconds
        self._plain.settimeout(seconds)

    def setblocking(self, blocking: bool) -> None:
        self.settimeout(None if blocking else 0.0)

    def gettimeout(self) -> float | None:
        return self._asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class _Rewriting:
    """A socket for gunicorn's one error answer: its HTML becomes a problem with the same status."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def sendall(self, answer: bytes) -> None:
        line = answer.split(b"\r\n", 1)[0].decode("latin-1")
        _, status, reason = line.split(" ", 2)
        code = reason.lower().replace(" ", "_")
        body = json.dumps(
            {
                "type": f"/problems/{code}",
                "title": reason,
                "status": int(status),
                "detail": "The request cannot be read as HTTP.",
                "code": code,
            }
        ).encode()
        head = (
            f"{line}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._client.sendall(head.encode("latin-1") + body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
