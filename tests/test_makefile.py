"""What the Makefile and the Dockerfile install, and on which versions of Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from .test_house import ROOT, read

RANGE = re.compile(r"Python 3\.(\d+)\s+to\s+3\.(\d+)")
PLACES = ("README.md", "docs/tutorial.md", "Dockerfile", "Makefile")
OLDEST, NEWEST = 11, 13


def classifiers() -> list[str]:
    """Of the TensorFlow that is there, by either of its names."""
    try:
        found = metadata("tensorflow-cpu")
    except PackageNotFoundError:
        found = metadata("tensorflow")
    return found.get_all("Classifier", [])


def test_one_range_of_pythons_is_named_everywhere_and_tensorflow_has_it() -> None:
    for place in PLACES:
        assert RANGE.findall(read(place)) == [(str(OLDEST), str(NEWEST))], place
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert project["requires-python"] == f">=3.{OLDEST},<3.{NEWEST + 1}"
    for minor in range(OLDEST, NEWEST + 1):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers()


@pytest.mark.parametrize("minor", [OLDEST - 1, NEWEST + 1])
def test_another_python_is_refused_in_one_line(minor: int, tmp_path: Path) -> None:
    python = tmp_path / "python"
    told = f"import sys; sys.version_info = (3, {minor}); exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{told}" "$2"\n')
    python.chmod(0o755)
    made = tmp_path / "venv"
    done = subprocess.run(
        ["make", "--directory", ROOT, f"PYTHON={python}", f"VENV={made}", f"{made}/serve"],
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert said.startswith(f"Python 3.{OLDEST} to 3.{NEWEST} is needed, and {python} is 3.{minor}.")
    assert not made.exists()


def test_whatever_is_installed_or_built_is_pinned() -> None:
    """By a hash; or it is the project itself, built by what was installed so. The peers of `make bench` are
    exempt: they are to be the newest; and PyTorch, of which each machine has a build of its own."""
    asked = [
        line
        for line in read("Makefile", "Dockerfile").splitlines()
        if re.search(r"\$\(INSTALL\)|\bpip\b.* (install|wheel) ", line)
        and not line.startswith(("INSTALL :=", "#"))
        and "[bench]" not in line
        and "$(TORCH)" not in line
    ]
    assert len(asked) >= 9
    for line in asked:
        itself = "--no-deps" in line and re.search("--no-build-isolation|--no-index", line)
        assert itself or "--require-hashes" in line, line


def test_an_environment_is_cleared_by_one_rule() -> None:
    """Of two, under `make -j`, each would clear what the other has put there."""
    calls = re.findall(r"^\t\$\(call environment,(.*)\)$", read("Makefile"), re.MULTILINE)
    assert sorted(calls) == ["$(BENCH)", "$(VENV)"]
