"""gunicorn, run from Python: one studio and one network in each worker, made after the fork."""

from __future__ import annotations

import logging
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from select import select
from typing import Any

import psutil
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger

from service.errors import FashionStudioError
from service.logs import set_up_logs
from service.settings import Settings
from service.studio import Studio
from service.web.access import require_keys
from service.web.background import Companion, Supervisor
from service.web.connections import Worker
from service.web.ports import address, require_free_port

GRACE_SECONDS = 5  # beyond the longest request, for those under way when the server is told to stop
SPARE_THREADS = 48
AGAIN_SECONDS = 2  # before another process is tried in the place of one that could not start
MEMORY = Path("/dev/shm")
CONNECTIONS = 8  # of each process to the database; a query takes few milliseconds
KEPT_CONNECTIONS = 1000  # of clients, beside those that are read and answered
MOST_FILES = 65_536  # more than are ever open; some programs go through all that they may have
MOST_FILES_OF_MACOS = 10_240  # which names a higher limit than it grants

log = logging.getLogger(__name__)


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    published_at: Sequence[str] = (),
    workers: int = 1,
    threads: int | None = None,
    background: bool = True,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then exit 0. Everything is checked before anything listens.

    published_at: the addresses by which others reach it, where those are not `host`.
    workers: processes. threads: connections read and answered at once in each, by default 48 more
    than requests are worked on: those that are refused, and slow clients, need threads as well.
    background: keep a worker of background jobs beside them.
    Raises `PortInUse`, `InvalidParameter` for a host that is not this machine's, `KeysMissing` where
    others could use it, and what `Studio` raises; also what kept a worker from loading the network.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until gunicorn has its own
    # systemd's sockets: gunicorn would listen on them instead of `host`, by which access was judged
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        os.environ.pop(name, None)
    require_free_port(host, port)
    _allow_files()
    set_up_logs(settings)
    with Studio(settings) as studio:  # starts the embedded database, which lives as long as this
        for warning in studio.warnings:
            log.warning("%s", warning)
        access = require_keys(studio.engine, settings.access, published_at or (host,))
        url = studio.engine.url.render_as_string(hide_password=False)
    threads = threads or settings.max_in_flight + SPARE_THREADS
    failures, report = Pipe(duplex=False)
    # Holds one byte: the worker that gets it says that the server is there
    unsaid, word = os.pipe()
    os.write(word, b".")
    os.set_blocking(unsaid, False)

    def announce(worker: Worker) -> None:
        with suppress(BlockingIOError):
            os.read(unsaid, 1)
            print(
                f"Fashion Studio on http://{address(host, port)} (Ctrl-C stops)",
                file=sys.stderr,
                flush=True,
            )

    options = {
        "bind": address(host, port),
        "workers": workers,
        "threads": threads,
        "worker_connections": threads + KEPT_CONNECTIONS,
        "worker_class": Worker,
        "graceful_timeout": math.ceil(settings.request_seconds) + GRACE_SECONDS,
        "sendfile": False,  # it knows nothing of a client that is too slow
        "limit_request_line": 8190,
        "forwarded_allow_ips": "",  # gunicorn believes loopback; here `trusted_proxies` alone says whom
        "loglevel": "warning",
        "logger_class": Log,
        "control_socket_disable": True,
        "proc_name": "fashion-studio",
        "post_worker_init": announce,
        "child_exit": _forget_counts,
    }
    found = {"database_url": url, "database_password_file": None, "access": access}
    server = Server(settings.model_copy(update=found), bool(published_at), options, report, unsaid)
    arbiter = Supervisor(server, Companion() if background else None)
    # Once a worker has said why it cannot start, gunicorn's own lines about that are noise
    arbiter.log.error_log.addFilter(lambda record: not failures.poll())
    parent = os.getpid()
    counts = _folder_for_counts()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts  # read by prometheus_client, in each worker
    try:
        arbiter.run()
    except SystemExit as ending:
        if os.getpid() != parent:  # gunicorn forks within `run`, so a worker's end passes here too
            raise
        shutil.rmtree(counts, ignore_errors=True)
        if failures.poll():
            raise FashionStudioError(failures.recv()) from None
        if ending.code:
            raise FashionStudioError("The server stopped; its log says why.") from None


class Log(Logger):
    """gunicorn's own lines, written as all others are."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):
    """What gunicorn runs. `load` is called by each worker after its fork."""

    def __init__(
        self,
        settings: Settings,
        published: bool,
        options: dict[str, Any],
        report: Connection,
        unsaid: int,
    ) -> None:
        """unsaid: can be read from until one of them is there."""
        self.settings = settings
        self.published = published
        self.options = options
        self.report = report
        self.unsaid = unsaid
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        try:
            # Here, after the fork: what they import must not outlive one, or reads the environment
            from service.web.app import create_app
            from service.web.context import EXTENSION

            studio = Studio(
                self.settings,
                threads=CONNECTIONS,
                statement_seconds=self.settings.request_seconds,
            )
            app = create_app(studio, published=self.published)
            app.extensions[EXTENSION].warm_up()
            return app
        except FashionStudioError as error:
            why = error.detail
        except Exception as error:
            why = f"A worker cannot start: {type(error).__name__}: {error}"
        if not select([self.unsaid], [], [], 0)[0]:  # the others serve, and go on
            log.error("A server process cannot start, and is tried again. %s", why)
            time.sleep(AGAIN_SECONDS)
            sys.exit(1)
        self.report.send(why)
        sys.exit(Arbiter.APP_LOAD_ERROR)  # the arbiter then stops instead of trying for ever


def _allow_files() -> None:
    """Let this process, and those that it starts, have as many files open at once as the system allows:
    each connection is one, and so is each large photo of a form. The usual limit of 1,024 is for programs
    that do not ask for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (MOST_FILES, MOST_FILES_OF_MACOS):
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        if soft == resource.RLIM_INFINITY or soft >= most:
            return
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            return


def _folder_for_counts() -> str:
    """Where the server processes count for Prometheus. Removes those of servers that were killed.

    In memory where that can be: they count into mapped files, and the system kills whoever writes into
    one that a full disk has no room for.
    """
    prefix = "fashion-studio-metrics-"
    base = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    for left in base.glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=base)


def _forget_counts(_arbiter: Arbiter, worker: Worker) -> None:
    """What a process that ended had in flight is no longer so."""
    from prometheus_client import multiprocess  # reads the environment when it is imported

    multiprocess.mark_process_dead(worker.pid)
