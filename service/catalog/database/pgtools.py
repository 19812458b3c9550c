"""Postgres's own programs for a dump and its way back: found by version, run on an engine's database.

pg_dump refuses a server newer than itself, and pg_restore an archive of a newer pg_dump; so the oldest
that is new enough is taken, whose archives the most others can read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine

from service.catalog.database.embedded import POSTGRES_VERSIONS
from service.catalog.database.urls import libpq_defaults, libpq_parameters
from service.errors import PostgresToolsMissing

PROGRAMS = ("pg_dump", "pg_restore", "psql")
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
PIPE_BYTES = 1 << 20  # the most that Linux allows everyone: three programs in a row wait less
SUFFIX = ".exe" if sys.platform == "win32" else ""
COMPLAINT = re.compile(r"(?:ERROR|FATAL|PANIC|error|fatal):\s+(.+)")


@dataclass(frozen=True, slots=True)
class Tools:
    """pg_dump, pg_restore and psql of one major version, in one folder."""

    version: int
    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / f"{name}{SUFFIX}")


def tools(at_least: int, what: str) -> Tools:
    """The oldest tools of that major version or a later one.

    what: whom they are for, as the start of the sentence that says that there are none.
    Raises `PostgresToolsMissing`.
    """
    found = [t for t in _installed() if t.version >= at_least]
    if not found:
        raise PostgresToolsMissing(
            f"{what}, and there are no pg_dump, pg_restore and psql of version {at_least} or later. "
            f"Install them, for example the package postgresql-client-{at_least} on Debian, and put "
            "them on PATH."
        )
    return min(found, key=lambda t: t.version)


def _installed() -> Iterator[Tools]:
    folders = [*POSTGRES_VERSIONS.values()]
    folders += [folder for place in PLACES for folder in sorted(Path("/").glob(place[1:]))]
    if (on_path := shutil.which("pg_dump")) is not None:
        folders.append(Path(on_path).parent)
    for folder in folders:
        if all((folder / f"{name}{SUFFIX}").exists() for name in PROGRAMS):
            try:
                said = subprocess.run(
                    [str(folder / f"pg_dump{SUFFIX}"), "--version"],
                    capture_output=True, text=True, check=True, timeout=20,
                ).stdout  # fmt: skip
            except (OSError, subprocess.SubprocessError):
                continue
            if (version := re.search(r"\) (\d+)", said)) is not None:
                yield Tools(int(version[1]), folder)


@dataclass(frozen=True, slots=True)
class Running:
    """A program under way, and where it complains."""

    process: subprocess.Popen[bytes]
    complaints: IO[bytes]

    def complaint(self) -> str:
        """The first thing that it called an error, else the last that it said."""
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        errors = [found[1].strip() for line in lines if (found := COMPLAINT.search(line))]
        return (errors or lines[-1:] or [f"exit status {self.process.returncode}"])[0].rstrip(".")


@contextmanager
def running(
    tools: Tools, program: str, arguments: Sequence[str], engine: Engine | None = None
) -> Iterator[Running]:
    """The program, its stdin and stdout pipes; on the engine's database where there is one.

    The password goes by the environment, where no list of processes shows it. Killed at the end, if
    it still runs.
    """
    command, environment = [tools.program(program), *arguments], dict(os.environ)
    if engine is not None:
        parameters = libpq_parameters(engine.url) | libpq_defaults(engine.url)
        if (password := parameters.pop("password", None)) is not None:
            environment["PGPASSWORD"] = password
        command += ["--dbname", make_conninfo(**parameters), "--no-password"]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=complaints,
            env=environment,
            pipesize=PIPE_BYTES,
        ) as process,
    ):
        assert process.stdin is not None
        try:
            yield Running(process, complaints)
        finally:
            if process.poll() is None:
                process.kill()
            with suppress(OSError):  # what it did not read any more
                process.stdin.close()
