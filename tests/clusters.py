"""Postgres servers of a test's own, made by the embedded server's programs: a primary and its standbys."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from service.catalog import migrate, open_engine
from service.catalog.database.embedded import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
USER = "pgserver" if os.geteuid() == 0 else None  # Postgres refuses to run as root
CONFIGURATION = "fsync = off\nfull_page_writes = off\nmax_wal_size = 4GB\n"


@dataclass
class Cluster:
    """A server on a socket in its folder. Another test's embedded server has made the system user."""

    folder: Path
    programs: Path = PROGRAMS

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Raises `AssertionError` with what it said."""
        with tempfile.TemporaryFile(
            "w+"
        ) as said:  # no pipe: the server that it starts would keep it
            done = subprocess.run(
                [self.programs / program, *arguments],
                user=USER, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
            said.seek(0)
            assert done.returncode == 0, said.read()

    def create(self, configuration: str = "") -> None:
        how = ("--no-sync", "--auth=trust", "--encoding=utf8", "-U", "postgres")
        self.run("initdb", *how, "-D", self.data)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION + configuration)

    def create_catalog(self) -> None:
        """Create it and start it, with an empty catalog."""
        self.create()
        self.start()
        engine = open_engine(self.url())
        migrate(engine)
        engine.dispose()

    def follow(self, primary: Cluster) -> None:
        """Become a copy of the primary's files, and a standby that streams from it."""
        place = f"host={primary.folder} user=postgres application_name={self.folder.name}"
        how = ("--no-sync", "-R", "-X", "stream", "-c", "fast")
        self.run("pg_basebackup", *how, "-d", place, "-D", self.data)

    def copy(self, made: Cluster, primary: Cluster | None = None) -> None:
        """Become another cluster, which was stopped; a standby then streams from `primary`."""
        shutil.copytree(made.data, self.data, copy_function=shutil.copy)
        self.data.chmod(0o700)
        if primary is not None:
            with (self.data / "postgresql.auto.conf").open("a") as file:
                file.write(f"primary_conninfo = 'host={primary.folder} user=postgres'\n")
        if USER is not None:
            for path in (self.data, *self.data.rglob("*")):
                shutil.chown(path, USER)

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "fast", "-D", self.data, "stop")

    def start(self) -> None:
        options = f"-c listen_addresses='' -k {self.folder}"
        self.run("pg_ctl", "-w", "-D", self.data, "-l", self.folder / "log", "-o", options, "start")

    def promote(self) -> None:
        self.run("pg_ctl", "-w", "-D", self.data, "promote")

    def kill(self) -> None:
        """As when its machine goes."""
        psutil.wait_procs(self.send(signal.SIGKILL), timeout=10)

    def send(self, number: int) -> list[psutil.Process]:
        """A signal to every process of it: those, the first one and its children."""
        file = self.data / "postmaster.pid"
        if not file.exists() or not psutil.pid_exists(pid := int(file.read_text().split()[0])):
            return []
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return processes

    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextmanager
def clusters(*names: str) -> Iterator[list[Cluster]]:
    """Places for servers, in folders with short names: sockets lie in them. Killed at the end."""
    with ExitStack() as stack:
        found = []
        for name in names:
            folder = Path(tempfile.mkdtemp(prefix=f"fs-{name}-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            if USER is not None:
                shutil.chown(folder, USER)
            found.append(Cluster(folder))
            stack.callback(found[-1].kill)
        yield found


@contextmanager
def copies(made: Cluster, follower: Cluster) -> Iterator[tuple[Cluster, Cluster]]:
    """Running copies of a primary and its standby, which are stopped; the one streams from the other."""
    with clusters("primary", "standby") as (primary, standby):
        primary.copy(made)
        standby.copy(follower, primary)
        primary.start()
        standby.start()
        yield primary, standby
