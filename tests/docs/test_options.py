"""docs/commands.md has every command and option, and no page gives a command what it does not take."""

from __future__ import annotations

import re

import pytest

from . import options
from .pages import PAGES, page, put

COMMANDS = dict(options.commands())
REFERENCE = page(options.PAGE)
ROW = re.compile(r"^\| (`.*?`) \| ", re.MULTILINE)
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}
CALL = re.compile(r"fashion-studio ([a-z][^`'\"#|&\n]*)")


def usages() -> list[tuple[str, str]]:
    """(command, what follows) of each usage in the table of commands."""
    overview = REFERENCE.partition("\n## ")[0].replace("\\|", "/")
    found = []
    for usage in re.findall("`([^`]+)`", " ".join(ROW.findall(overview))):
        name = next((name for name in COMMANDS if f"{usage} ".startswith(f"{name} ")), usage)
        found.append((name, usage.removeprefix(name)))
    return found


def test_every_command_is_in_the_table_once_and_no_other() -> None:
    assert sorted(name for name, _ in usages()) == sorted(COMMANDS)


def test_every_usage_has_options_that_there_are() -> None:
    for name, rest in usages():
        assert set(re.findall(r"(?<!\S)\[?(--?[a-z-]+)", rest)) <= options.names(COMMANDS[name]), (
            name
        )


def test_every_option_is_listed_as_the_code_has_it() -> None:
    assert put(REFERENCE, {"options": options.every_option()}) == REFERENCE


def test_every_option_says_what_it_means() -> None:
    silent = [
        f"{name} {option.opts[0]}"
        for name, command in COMMANDS.items()
        for option in options.options(command)
        if not option.help
    ]
    assert silent == []


def test_all_but_those_that_the_page_names_have_json() -> None:
    without = [name for name, command in COMMANDS.items() if "--json" not in options.names(command)]
    assert without == ["serve", "worker"]
    assert "All but `serve` and `worker` take `--json`" in " ".join(REFERENCE.split())


@pytest.mark.parametrize("name", PAGES)
def test_pages_call_commands_with_options_that_they_take(name: str) -> None:
    for call in CALL.findall(page(name)):
        first, second, *_ = [*call.split(), ""]
        command = f"{first} {second}" if first in GROUPS else first
        if command.strip() in GROUPS:  # all that begin with it, as prose has it
            continue
        given = {word for word in call.split() if re.match("--?[a-z]", word)}
        assert command in COMMANDS, call
        assert given <= options.names(COMMANDS[command]), call
