"""gunicorn, run from Python: one studio and one network in each worker, made after the fork."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from contextlib import closing, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from service.errors import FashionStudioError, InvalidParameter, PortInUse
from service.settings import Settings
from service.studio import Studio
from service.web.access import require_keys
from service.web.app import create_app
from service.web.context import EXTENSION

GRACE_SECONDS = 20  # for requests under way when the server is told to stop


def serve(settings: Settings, *, host: str, port: int, workers: int, threads: int) -> None:
    """Serve until SIGTERM or Ctrl-C, then exit 0. Everything is checked before anything listens.

    workers: processes. threads: requests at once in each.
    Raises `PortInUse`, `InvalidParameter` for a host that is not this machine's, `KeysMissing` where
    others could use it, and what `Studio` raises; also what kept a worker from loading the network.
    """
    require_free_port(host, port)
    with Studio(settings) as studio:  # starts the embedded database, which lives as long as this
        for warning in studio.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        access = require_keys(studio.engine, settings.access, host)
        url = studio.engine.url.render_as_string(hide_password=False)
    failures, report = Pipe(duplex=False)
    # Holds one byte: the worker that gets it says that the server is there
    unsaid, word = os.pipe()
    os.write(word, b".")
    os.set_blocking(unsaid, False)

    def announce(worker: Worker) -> None:
        with suppress(BlockingIOError):
            os.read(unsaid, 1)
            address = _address(host, port)
            print(f"Fashion Studio on http://{address} (Ctrl-C stops)", file=sys.stderr, flush=True)

    options = {
        "bind": _address(host, port),
        "workers": workers,
        "threads": threads,
        "worker_class": Worker,
        "graceful_timeout": GRACE_SECONDS,
        "limit_request_line": 8190,
        "loglevel": "warning",
        "control_socket_disable": True,
        "proc_name": "fashion-studio",
        "post_worker_init": announce,
    }
    server = Server(
        settings.model_copy(update={"database_url": url, "access": access}), options, report
    )
    arbiter = Arbiter(server)
    # Once a worker has said why it cannot start, gunicorn's own lines about that are noise
    arbiter.log.error_log.addFilter(lambda record: not failures.poll())
    parent = os.getpid()
    try:
        arbiter.run()
    except SystemExit as ending:
        if os.getpid() != parent:  # gunicorn forks within `run`, so a worker's end passes here too
            raise
        if failures.poll():
            raise FashionStudioError(failures.recv()) from None
        if ending.code:
            raise FashionStudioError("The server stopped; its log says why.") from None


class Server(BaseApplication):
    """What gunicorn runs. `load` is called by each worker after its fork."""

    def __init__(self, settings: Settings, options: dict[str, Any], report: Connection) -> None:
        self.settings = settings
        self.options = options
        self.report = report
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            if name in self.cfg.settings:  # gunicorn before 25 has no control socket
                self.cfg.set(name, value)

    def load(self) -> Flask:
        try:
            app = create_app(Studio(self.settings, threads=self.options["threads"]))
            app.extensions[EXTENSION].warm_up()
            return app
        except FashionStudioError as error:
            self.report.send(error.detail)
        except Exception as error:
            self.report.send(f"A worker cannot start: {type(error).__name__}: {error}")
        sys.exit(Arbiter.APP_LOAD_ERROR)  # the arbiter then stops instead of trying for ever


class Worker(ThreadWorker):
    """Threads; and a problem, not HTML, for what is not even HTTP."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        super().handle_error(req, _Rewriting(client), addr, exc)


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


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def require_free_port(host: str, port: int) -> None:
    """Bind once and let go, because gunicorn would say it in seven lines and five seconds.

    Raises `PortInUse`, or `InvalidParameter` for a host that is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind)) as probe:
            with suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"Port {port} on {host} is taken by another program. Choose another one with --port."
            ) from None
        raise InvalidParameter(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
