"""The worker of background jobs that a server keeps beside its own processes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from service.web.connections import greet_no_more

PAUSE_SECONDS = 10.0  # before a worker that ended by itself is started again
COMMAND = (sys.executable, "-P", "-m", "service.cli")  # -P: nothing of the current folder
STOP_SECONDS = 20.0  # more than it takes itself, see `service.jobs.worker`

log = logging.getLogger(__name__)


class Companion:
    """A `fashion-studio worker` that lives as long as this process, at a lower priority."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = -PAUSE_SECONDS

    def keep(self) -> None:
        """Start it, again if need be. Call it now and then."""
        if self._process is not None and self._process.poll() is None:
            return
        if time.monotonic() - self._begun < PAUSE_SECONDS:
            return
        if self._process is not None:
            log.warning("The worker of background jobs ended; it is started again.")
        self._begun = time.monotonic()
        command = [*COMMAND, "worker", "--child-of", str(os.getpid())]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """Let it end; `wait` sees it off."""
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> None:
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self._process.kill()


class Supervisor(Arbiter):
    """gunicorn's parent process, which looks after a companion as well."""

    def __init__(self, app: Any, companion: Companion | None) -> None:
        self._companion = companion
        self._stopping = False
        self._hears_hang_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        super().__init__(app)

    def handle_hup(self) -> None:
        """The terminal was closed: the server ends, but where it was started to outlive that (nohup).
        gunicorn's own would put others in the place of its processes, with the settings that they have.
        """
        if self._hears_hang_up:
            self.handle_term()

    def handle_usr2(self) -> None:
        """gunicorn's own would start another server, which the port that this one has refuses."""

    def reap_workers(self) -> None:
        """While it stops, a process that could not begin is no reason to stop."""
        try:
            super().reap_workers()
        except HaltServer:
            if not self._stopping:
                raise

    def manage_workers(self) -> None:
        super().manage_workers()
        if self._companion is not None:
            self._companion.keep()

    def stop(self, graceful: bool = True) -> None:
        self._stopping = True
        if self._companion is not None:
            self._companion.stop()
        for listener in self.LISTENERS:
            greet_no_more(listener.sock)
        super().stop(graceful)
        if self._companion is not None:
            self._companion.wait()
