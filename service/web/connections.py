"""Connections as gunicorn's threads see them: slow ones are given up, and nonsense gets a problem."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import struct
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import TConn, ThreadWorker

PATIENCE_SECONDS = 15.0  # that reading a request, or sending an answer, may take however slow
BYTES_A_SECOND = 16_000  # beyond that, at least so fast: a slow telephone line of today
SILENT_SECONDS = 2.0  # without a byte of a client that was answered, and is to close
BUFFER_BYTES = 131_072  # of an answer, given to the system at once
PAUSE_SECONDS = 0.05  # before another look at who connects, while no file can be opened
NO_FILES = (errno.EMFILE, errno.ENFILE)  # as many are open as this process, or the system, may have

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
DROP_ALL = (6, 0, 0, 0)  # linux/filter.h, struct sock_filter: BPF_RET | BPF_K of no byte


class TooSlow(NoMoreData):
    """gunicorn takes it for a client that went away, and closes the connection."""


class Worker(ThreadWorker):
    """A thread for each request, but no longer than a client earns by sending."""

    def enqueue_req(self, conn: TConn) -> None:
        if not isinstance(conn.sock, Timed):
            conn.sock = Timed(conn.sock)
        super().enqueue_req(conn)

    def accept(self, listener: socket.socket) -> None:
        """Who connects while no file can be opened waits: gunicorn would end the whole process."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in NO_FILES:
                raise
            time.sleep(PAUSE_SECONDS)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End at once, as Ctrl-C asks the server to. Python's own way out waits for every thread, and
        gunicorn's first for a lock that this very thread may have held where the signal came."""
        os._exit(0)

    def set_accept_enabled(self, enabled: bool) -> None:
        """When the server stops, take in who has connected already, then let no one else connect:
        closing a listener resets those that the system has greeted and nobody has accepted. See
        `greet_no_more`, which comes before."""
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
        kept = super().handle(conn)
        if not kept:
            # gunicorn would do it in the one thread that accepts connections, and let all others wait
            conn.sock.see_off()
            conn.close = _closed_already  # type: ignore[method-assign]
        return kept

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        super().handle_error(req, _Rewriting(client), addr, exc)


def greet_no_more(listener: socket.socket) -> None:
    """Let no one else connect to it, in any process: the system drops what comes, and a client that
    tries again, as its system does after a second, is refused once the listener is closed.

    Only Linux has such filters. Elsewhere, who connects in the moment before the close is reset.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(struct.pack("HBBI", *DROP_ALL))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program))
        )


class Timed:
    """A socket whose peer must keep up: a thread is held no longer than that."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        # What lies in the system's buffer counts as read: by itself that grows to megabytes
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._asked: float | None = None  # the timeout that gunicorn set
        self.begin()

    def begin(self) -> None:
        """A request begins."""
        self._deadline = time.monotonic() + PATIENCE_SECONDS
        self._patience = PATIENCE_SECONDS  # that sending the answer may still take

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
        rest = memoryview(data)
        while rest:
            began = time.monotonic()
            self._plain.settimeout(max(self._patience, 1e-3))
            try:
                sent = self._plain.send(rest)
            except TimeoutError:
                raise ConnectionResetError(errno.ECONNRESET, "it reads too slowly") from None
            self._patience += sent / BYTES_A_SECOND - (time.monotonic() - began)
            rest = rest[sent:]

    def see_off(self) -> None:
        """Close once the client has. What it still sends of a body that was refused is read: the system
        would reset the connection otherwise, and the client lose the answer."""
        until = time.monotonic() + PATIENCE_SECONDS
        with suppress(OSError):
            self._plain.shutdown(socket.SHUT_WR)
            self._plain.settimeout(SILENT_SECONDS)
            while time.monotonic() < until and self._plain.recv(65_536):
                pass
        self._plain.close()

    def settimeout(self, seconds: float | None) -> None:
        self._asked = seconds
        self._plain.settimeout(seconds)

    def setblocking(self, blocking: bool) -> None:
        self.settimeout(None if blocking else 0.0)

    def gettimeout(self) -> float | None:
        return self._asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


def _closed_already(graceful: bool = False) -> None:
    pass


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
