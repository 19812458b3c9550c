"""The service behind a pooler: every command refuses it in a line, or answers as without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.client import Client

from ..poolers import pgbouncer
from .serving import free_port, ready_server, wait_for

CLI = [sys.executable, "-m", "service.cli"]
COMMANDS = {
    "migrate": [],
    "similar": ["--id", "1"],
    "serve": ["--port", str(free_port())],
    "worker": [],
}


def command(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    own = {"FASHION_STUDIO_DATABASE_URL": url}
    return subprocess.run(
        [*CLI, *arguments], env=os.environ | own, capture_output=True, text=True, timeout=120
    )


@contextmanager
def serving(url: str) -> Iterator[Client]:
    with (
        ready_server(FASHION_STUDIO_DATABASE_URL=url) as server,
        Client(f"http://127.0.0.1:{server.port}") as client,
    ):
        yield client


@pytest.mark.usefixtures("environment")
def test_every_command_refuses_shared_sessions_in_a_line(database_url: str) -> None:
    with pgbouncer(database_url) as pooler:
        for name, arguments in COMMANDS.items():
            refused = command(name, *arguments, url=pooler.shop)
            assert refused.returncode == 1, name
            (line,) = refused.stderr.splitlines()
            assert "gives each transaction another session" in line, name
        checks = json.loads(command("doctor", "--json", url=pooler.shop).stdout)["checks"]
        assert [check["check"] for check in checks if not check["ok"]] == ["database"]


@pytest.mark.usefixtures("environment")
def test_with_sessions_of_its_own_it_answers_as_without_a_pooler(
    empty_database_url: str, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrated, filled, asked by eight at once, imported into by the worker, backed up and restored."""
    monkeypatch.setenv("FASHION_STUDIO_IMAGE_ROOT", str(drawn))
    monkeypatch.setenv("FASHION_STUDIO_IMPORT_ROOTS", str(drawn))
    with pgbouncer(empty_database_url) as pooler:

        def run(*arguments: str) -> str:
            done = command(*arguments, url=pooler.studio)
            assert done.returncode == 0, done.stderr
            return done.stdout

        run("migrate")
        run("ingest", str(drawn / "garments.csv"))
        questions = [(number, n) for number in range(1, 34) for n in (3, 9)]
        with serving(empty_database_url) as direct:
            expected = [direct.similar_to(i, n=n, label="any").matches for i, n in questions]
        with serving(pooler.studio) as studio, ThreadPoolExecutor(8) as clients:

            def right(number: int) -> bool:
                i, n = questions[number]
                return studio.similar_to(i, n=n, label="any").matches == expected[number]

            answered = list(clients.map(right, list(range(len(questions))) * 5))
            assert answered == [True] * 330
            begun = studio.add_import(str(drawn / "garments.csv"), labels="given")
            wait_for(lambda: studio.get_import(begun.id).state == "done")
            assert studio.get_import(begun.id).unchanged == 33
            checks = json.loads(run("doctor", "--json"))["checks"]
            assert all(check["ok"] for check in checks), checks
            assert "127.0.0.1, by a pooler that keeps sessions apart" in {
                check["detail"] for check in checks
            }
        run("index")
        run("backup", str(tmp_path / "catalog"))
        run("restore", str(tmp_path / "catalog"), "--replace")
        assert len(json.loads(run("similar", "--id", "1", "--json"))["matches"]) > 1
