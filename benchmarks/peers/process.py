"""A contestant's process as the parent sees it: its answers, its memory, its time limit."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from peers.contestant import Catalog
from peers.questions import Questions
from peers.worker import Built, Failed, work

LOOK_EVERY = 0.5  # seconds between looks at the memory
SPAWN = get_context("spawn")


@dataclass(frozen=True)
class Caps:
    """Limits for one contestant: seconds of its build and of a round; bytes of memory."""

    seconds: float
    bytes: int


class Stopped(Exception):
    """The contestant failed, or was stopped at a limit; says why."""


class Process:
    """Starts to build at once; `built` waits for it."""

    def __init__(
        self, name: str, folder: Path, catalog: Catalog, questions: Questions, k: int, caps: Caps
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.folder = folder
        self.caps = caps
        self.peak = 0
        self.servers: list[int] = []
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(
            target=work, args=(theirs, name, folder, catalog, questions, k), name=name
        )
        self._process.start()
        theirs.close()

    def built(self) -> Built:
        """Wait for the build. Raises `Stopped`."""
        built = self._receive("the build")
        self.servers = built.servers
        self.look()
        self._require_memory("the build")
        return built

    def ask(self, chosen: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
        """Seconds of each question, and the answers. Raises `Stopped`."""
        self._pipe.send(chosen)
        return self._receive("a round")

    def widen(self, width: int) -> None:
        """Raises `Stopped`."""
        self._pipe.send(width)
        self._receive("to search wider")

    def cpu_seconds(self) -> float:
        """Processor time so far of the process, its children and its servers' processes."""
        total = 0.0
        for process in self._family():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def look(self) -> None:
        """Note the memory: pages shared among processes count once (Linux; elsewhere the private)."""
        total = 0
        for process in self._family():
            with suppress(psutil.Error):
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.uss)
        self.peak = max(self.peak, total)

    def close(self) -> None:
        """End it in order, or by force after a while."""
        with suppress(OSError):
            self._pipe.send(None)
        self._process.join(60)
        self._kill()

    def _receive(self, what: str) -> Any:
        deadline = time.monotonic() + self.caps.seconds
        watch = what == "the build"  # the look costs time that a round does not have
        while not self._pipe.poll(LOOK_EVERY if watch else self.caps.seconds):
            if watch:
                self.look()
                self._require_memory(what)
            if time.monotonic() > deadline:
                self._kill()
                raise Stopped(f"{what} took more than {self.caps.seconds / 60:g} minutes")
        try:
            said = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise Stopped(f"its process died with exit code {self._process.exitcode}") from None
        if isinstance(said, Failed):
            self._process.join(60)
            self._kill()
            raise Stopped(said.reason)
        return said

    def _require_memory(self, what: str) -> None:
        if self.peak > self.caps.bytes:
            self._kill()
            raise Stopped(f"{what} took more than {self.caps.bytes / 2**30:.3g} GiB of memory")

    def _family(self) -> list[psutil.Process]:
        found = []
        for pid in [self._process.pid, *self.servers]:
            with suppress(psutil.Error):
                parent = psutil.Process(pid)
                found += [parent, *parent.children(recursive=True)]
        return found

    def _kill(self) -> None:
        """The process and what it started, but not a server that others share."""
        with suppress(psutil.Error):
            family = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            for child in family:
                with suppress(psutil.Error):
                    child.kill()
        self._process.join()
