"""docs/licences.md lists what is locked, and somebody has looked at every licence in it."""

from __future__ import annotations

import platform
import re
import sys
from importlib.metadata import distribution

import pytest

from . import licences
from .pages import page, part, put

PAGE = page(licences.PAGE)
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "HPND", "ISC", "MIT",
    "MIT-CMU", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
}  # fmt: skip
LOOK = {"LGPL-3.0-only", "MPL-2.0"}  # "What needs a look" says what they mean here


def rows(name: str) -> list[list[str]]:
    """The rows of one of the page's lists: package, version, licence, and extra where it has that."""
    return [line.strip("| ").split(" | ") for line in part(PAGE, name).splitlines()[2:]]


def test_what_serves_is_listed_as_it_is_locked() -> None:
    assert {row[0]: row[1] for row in rows("serving")} == licences.pins("serve.txt")


def test_what_extras_add_is_listed_as_it_is_locked() -> None:
    locked = licences.pins("dev.txt", "seed.txt")
    assert [row for row in rows("extras") if row[1] != locked.get(row[0])] == []


def test_the_lists_are_what_make_licences_writes() -> None:
    tables = {"serving": licences.serving()}
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        tables["extras"] = licences.locked_extras()
    assert put(PAGE, tables) == PAGE


@pytest.mark.parametrize("name", ["serving", "extras", "bench"])
def test_every_licence_was_looked_at(name: str) -> None:
    known = {row[0]: set(re.split(r" (?:AND|OR|WITH) |[()]", row[2])) - {""} for row in rows(name)}
    assert len(known) > 10
    assert {name: ids for name, ids in known.items() if not ids <= PERMISSIVE | LOOK} == {}
    explained = PAGE.partition("## What needs a look")[2].partition("\n## ")[0]
    careful = [name for name, ids in known.items() if not ids <= PERMISSIVE]
    assert [
        name for name in careful if not re.search(rf"^\|.*\b{name}\b", explained, re.MULTILINE)
    ] == []


def test_the_notices_of_others_are_those_of_their_packages() -> None:
    notice = page("licences/procrastinate.txt")
    package = distribution("procrastinate")
    files = [file for file in package.files or [] if file.name.startswith("LICENSE")]
    assert files
    assert files[0].read_text(encoding="utf-8").strip() in notice
    apache = page("licences/efficientnet-lite0.txt")
    assert "Apache License" in apache
    assert "END OF TERMS AND CONDITIONS" in apache
