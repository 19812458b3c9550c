"""docs/tutorial.md works word for word, in an empty home, without a database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from ..web.serving import free_port
from .pages import ROOT, page

COMMAND = re.compile(
    r"^    ((?:fashion-studio|mv|cd|printf|curl|export FASHION_STUDIO_HOME)\b.*)$", re.MULTILINE
)
NOT_RUN = ("    make demo", "    export PATH=")
SAID = ("    label   ", "    seen 66: ", "    More like ")
READY = (
    "until curl --fail --silent --output log.ready http://127.0.0.1:8000/readyz; do sleep 0.3; done"
)


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home, in which `fashion-studio` is a command. Its place: see `tests.conftest.server_url`."""
    home = Path(tempfile.mkdtemp(prefix="fashion-studio-tutorial-"))
    (home / "bin").mkdir()
    command = home / "bin" / "fashion-studio"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m service.cli "$@"\n')
    command.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.skipif(
    not shutil.which("curl") or not shutil.which("bash"), reason="needs bash and curl"
)
def test_every_command_of_the_tutorial_works(home: Path) -> None:
    text = page("docs/tutorial.md")
    commands = COMMAND.findall(text)
    assert len(commands) > 12
    assert commands.count("fashion-studio serve") == 1
    blocks = re.findall(r"^\n(    .+)$", text, re.MULTILINE)
    assert [
        line for line in blocks if not COMMAND.match(line) and not line.startswith(NOT_RUN + SAID)
    ] == []
    script = "\n".join(["set -e", *commands, "kill %1", "wait %1"])
    script = script.replace(
        "fashion-studio serve", f"fashion-studio serve --port 8000 > log 2>&1 &\n{READY}"
    )
    script = script.replace("8000", str(free_port()))
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=home,
        env={"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "answer.png").stat().st_size > 10_000
    assert re.search(r"seen 1: .*rejected 0", done.stdout)
    assert done.stdout.count("More like wardrobe/blazer-00000.jpg") == 3
    assert '"matches":[{' in done.stdout.replace(" ", "")
    shown = [
        found
        for found in re.findall(r"(?:^    .+\n)+", text, re.MULTILINE)
        if found.startswith(SAID)
    ]
    assert len(shown) == len(SAID)
    for lines in shown:
        assert masked(dedent(lines).partition("…")[0]) in masked(done.stdout)


def masked(said: str) -> str:
    """Without its figures: how alike two pictures are differs by a little from one processor to the next."""
    return re.sub(r"[0-9.]+ s$|[0-9]", "0", said, flags=re.MULTILINE)
