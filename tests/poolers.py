"""A PgBouncer before the tests' Postgres, of this machine's package `pgbouncer`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from .web.serving import free_port

SYSTEM_USER = "pgserver"  # whom the embedded server of root runs as, and whose socket it is

CONFIGURATION = """
[databases]
shop = host={host} port={server} user=postgres dbname={name} pool_size=3
studio = host={host} port={server} user=postgres dbname={name} pool_mode={mode} pool_size={sessions}

[pgbouncer]
pool_mode = transaction
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
query_wait_timeout = 5
"""


@dataclass
class PgBouncer:
    """The database by two names: `shop` in transaction mode, `studio` as `pool` says."""

    database: URL
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def shop(self) -> str:
        return self._url("shop")

    @property
    def studio(self) -> str:
        return self._url("studio")

    def pool(self, mode: str, *, sessions: int = 50) -> None:
        """Set `studio` to this `pool_mode`, with at most that many sessions of the server's."""
        assert self.database.database is not None
        (self.folder / "pgbouncer.ini").write_text(
            CONFIGURATION.format(
                host=self.database.host or self.database.query["host"],
                server=self.database.port or 5432, name=self.database.database,
                mode=mode, sessions=sessions, port=self.port,
            )
        )  # fmt: skip
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)  # it says nothing when it has read it

    def _url(self, name: str) -> str:
        url = URL.create("postgresql+psycopg", "anyone", None, "127.0.0.1", self.port, name)
        return url.render_as_string(hide_password=False)


@contextmanager
def pgbouncer(url: str) -> Iterator[PgBouncer]:
    """A pooler before that database, which ends all its connections with it. Skips the test where the
    program is not installed."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("no PgBouncer: `apt-get install pgbouncer`, or what your system calls it")
    with tempfile.TemporaryDirectory(prefix="fashion-studio-pooler-") as folder:
        pooler = PgBouncer(make_url(url), Path(folder), free_port())
        pooler.pool("session")
        command, log = [program, str(pooler.folder / "pgbouncer.ini")], pooler.folder / "log"
        if os.geteuid() == 0:  # it refuses to run as root, and may not open another's socket
            shutil.chown(folder, SYSTEM_USER)
            command += ["-u", SYSTEM_USER]
        with log.open("wb") as file:
            pooler.process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            _wait(pooler.process, pooler.port, log)
            yield pooler
        finally:
            pooler.process.kill()
            pooler.process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"PgBouncer does not start: {log.read_text(errors='replace')}")
