"""The reference has every command, option, setting and code, and no page tells of others."""

from __future__ import annotations

import re
from typing import Literal, get_args, get_origin

import pytest

from service.settings import Settings

from . import reference
from .pages import PAGES, page, put

COMMANDS = dict(reference.commands())
REFERENCE = page(reference.COMMANDS)
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
        assert set(re.findall(r"(?<!\S)\[?(--?[a-z-]+)", rest)) <= reference.names(
            COMMANDS[name]
        ), name


def test_every_option_is_listed_as_the_code_has_it() -> None:
    assert put(REFERENCE, {"options": reference.every_option()}) == REFERENCE


def test_every_option_says_what_it_means() -> None:
    silent = [
        f"{name} {option.opts[0]}"
        for name, command in COMMANDS.items()
        for option in reference.options(command)
        if not option.help
    ]
    assert silent == []


def test_all_but_those_that_the_page_names_have_json() -> None:
    without = [
        name for name, command in COMMANDS.items() if "--json" not in reference.names(command)
    ]
    assert without == ["serve", "worker"]
    assert "All but `serve` and `worker` take `--json`" in " ".join(REFERENCE.split())


def test_every_code_that_no_call_answers_is_listed() -> None:
    text = page(reference.HTTP)
    assert put(text, {"codes": reference.elsewhere()}) == text


def test_python_is_described_as_the_code_has_it() -> None:
    text = page(reference.PYTHON)
    assert put(text, {"notebook": reference.notebook(), "client": reference.client()}) == text


@pytest.mark.parametrize("name", PAGES)
def test_pages_call_commands_with_options_that_they_take(name: str) -> None:
    for call in CALL.findall(page(name)):
        first, second, *_ = [*call.split(), ""]
        command = f"{first} {second}" if first in GROUPS else first
        if command.strip() in GROUPS:  # all that begin with it, as prose has it
            continue
        given = {word for word in call.split() if re.match("--?[a-z]", word)}
        assert command in COMMANDS, call
        assert given <= reference.names(COMMANDS[command]), call


SETTING = re.compile(r"^\| `FASHION_STUDIO_(\w+)` \| (.*) \| (.*) \|$", re.MULTILINE)
IN_TESTS = {"SOAK", "RELEASE", "IMAGE", "TEST_SERVER"}  # of tests and of docker-compose.yml


def test_every_setting_is_listed_with_its_default_and_no_other() -> None:
    listed = {
        name.lower(): (meaning, default)
        for name, meaning, default in SETTING.findall(page("docs/settings.md"))
    }
    assert list(listed) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        meaning, default = listed[name]
        if isinstance(field.default, int | float | str):
            assert default.strip("`") == str(field.default), name
        else:  # unset, which the page says in words
            assert not re.fullmatch(r"`.*`|[\d.]+", default), name
        if get_origin(field.annotation) is Literal:
            assert [
                choice for choice in get_args(field.annotation) if f"`{choice}`" not in meaning
            ] == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_name_settings_that_there_are(name: str) -> None:
    named = set(re.findall(r"FASHION_STUDIO_([A-Z_]+[A-Z])", page(name)))
    assert named - {field.upper() for field in Settings.model_fields} <= IN_TESTS
