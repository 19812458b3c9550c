"""The real server as people start it, a process of its own, and clients that ask it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

import psutil
import pytest

START = "from service.cli import main; main()"
COMMAND = [sys.executable, "-c", START, "serve", "--port"]
SECONDS = 60
HEAD = b"--x\r\nContent-Disposition: form-data; name=image; filename=a.jpg\r\n\r\n"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def multipart(data: bytes, field: str = "image", name: str = "a.jpg") -> bytes:
    """A form of one file with the boundary x."""
    head = f'--x\r\nContent-Disposition: form-data; name={field}; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n--x--\r\n"


@contextmanager
def served(
    port: int, *options: str, before: str = "", **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """before: as of `ready_server`."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + START, *COMMAND[3:], str(port), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        yield process
    finally:
        kill(process)
        process.communicate()


@dataclass
class Server:
    """A server that is ready, and what it answered."""

    port: int
    process: subprocess.Popen[str]
    answers: Counter[Any] = field(default_factory=Counter)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float = 60.0,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers. Raises OSError or HTTPException where the connection breaks."""
        given = {"Content-Type": "multipart/form-data; boundary=x"} if body is not None else {}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with closing(connection):
            connection.request(method, path, body, given | (headers or {}))
            answer = connection.getresponse()
            said = answer.read()
            kind = answer.headers.get("Content-Type", "")
            document = json.loads(said) if "json" in kind else said.decode(errors="replace")
            return answer.status, document, dict(answer.headers)

    def ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz", timeout=5)[0] == 200
        except (OSError, HTTPException):
            return False

    def load(
        self,
        clients: int,
        ask: Callable[[], int],
        *,
        seconds: float | None = None,
        requests: int | None = None,
    ) -> Counter[Any]:
        """What many clients at once were answered: statuses, and names of errors."""
        until = time.monotonic() + (seconds if seconds is not None else 600)

        def client(_: int) -> Counter[Any]:
            found: Counter[Any] = Counter()
            while time.monotonic() < until and (requests is None or found.total() < requests):
                try:
                    found[ask()] += 1
                except (OSError, HTTPException) as error:
                    found[type(error).__name__] += 1
            return found

        total: Counter[Any] = Counter()
        with ThreadPoolExecutor(clients) as pool:
            for found in pool.map(client, range(clients)):
                total += found
        return total


@contextmanager
def ready_server(*options: str, before: str = "", **environment: str) -> Iterator[Server]:
    """before: Python that the process runs first, such as one that makes a wait shorter."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", before + START, *COMMAND[3:], str(port), *options],
        stderr=subprocess.DEVNULL,  # a pipe that nobody reads would fill up under load
        env=os.environ | environment,
        text=True,
    )
    try:
        wait_until_ready(port, process)
        yield Server(port, process)
    finally:
        kill(process)
        process.wait()


def kill(process: subprocess.Popen[str]) -> None:
    """And what it started: one of those that does not end would keep its pipes open for ever."""
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()


def wait_until_ready(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                assert answer.status == 200
                return
        except urllib.error.HTTPError as error:
            pytest.fail(f"a worker accepts before it is ready: {error.read()!r}")
        except OSError:
            time.sleep(0.1)
    pytest.fail("the server did not become ready")


def raw(port: int, request: bytes) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
