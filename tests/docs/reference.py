"""Tables of pages that are made from the code: compared by tests, written by `make reference`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import click

import service
from service.cli import fashion_studio
from service.cli.arguments import LocationType
from service.client import ApiError, Client
from service.errors import FashionStudioError

from .pages import ROOT, page, put, table

COMMANDS = "docs/commands.md"
HTTP = "docs/http.md"
PYTHON = "docs/python.md"
EVERYWHERE = {"--json", "--help"}


def commands(
    group: click.Command = fashion_studio, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Every command with its name, such as `keys create`."""
    if not isinstance(group, click.Group):
        yield " ".join(path), group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, (*path, name))


def options(command: click.Command) -> list[click.Option]:
    """A command's options that people give it."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


def names(command: click.Command) -> set[str]:
    return {name for option in options(command) for name in option.opts} | {"--help"}


def every_option() -> str:
    rows = [
        (f"`{name}`", f"`{option.opts[0]}`", _takes(option), _default(option), _means(option))
        for name, command in commands()
        for option in options(command)
        if option.opts[0] not in EVERYWHERE
    ]
    return table(("command", "option", "takes", "default", "means"), rows)


def _takes(option: click.Option) -> str:
    kind = option.type
    said = "text"
    if option.is_flag:
        return "–"
    if isinstance(kind, click.Choice):
        said = ", ".join(f"`{choice}`" for choice in kind.choices)
    elif isinstance(kind, click.IntRange | click.FloatRange):
        said = f"{kind.min:,} to {kind.max:,}" if kind.max else f"{kind.min:,} or more"
    elif isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        said = "a whole number" if kind.name == "integer" else "a number"
    elif isinstance(kind, click.Path):
        said = "a path"
    elif isinstance(kind, LocationType):
        said = "a path or URL"
    return f"{said}; again for more" if option.multiple else said


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if isinstance(option.show_default, str):
        return option.show_default
    default: Any = option.to_info_dict().get("default")
    if option.is_flag or default is None or default == ():
        return "–"
    return ", ".join(f"`{one}`" for one in (default if isinstance(default, tuple) else (default,)))


def _means(option: click.Option) -> str:
    return (option.help or "").replace("|", "\\|")


def errors(family: type[FashionStudioError] = FashionStudioError) -> dict[str, str]:
    """Every code that there is, with its title."""
    found = {family.code: family.title()}
    for child in family.__subclasses__():
        found |= errors(child) | found  # a code that several share is named after the first
    return found


def elsewhere() -> str:
    """A table of the codes that no call answers."""
    answered = set(re.findall(r"^\| `(\w+)` \| \d{3} \|", page(HTTP), re.MULTILINE))
    rows = [
        (f"`{code}`", f"{title}.")
        for code, title in sorted(errors().items())
        if code not in answered
    ]
    return table(("code", "means"), rows)


def described(*things: type | FunctionType) -> str:
    """Functions, and classes with their public methods: signature and docstring of each."""
    return "\n\n".join(text for thing in things for text in _described(thing))


def _described(thing: type | FunctionType) -> Iterator[str]:
    yield f"### `{thing.__name__}`\n\n    {_call(thing.__name__, thing)}\n\n{inspect.getdoc(thing)}"
    if isinstance(thing, type):
        for name, method in inspect.getmembers(thing, inspect.isfunction):
            if not name.startswith("_"):
                call = _call(f"{thing.__name__}.{name}", method).replace("(self, ", "(", 1)
                yield f"`{call.replace('(self)', '()', 1)}`\n\n{inspect.getdoc(method) or ''}".rstrip()


def _call(name: str, what: type | FunctionType) -> str:
    """A signature whose annotations are as they are written."""
    return name + re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(what)))


def notebook() -> str:
    return described(*(getattr(service, name) for name in service.__all__))


def client() -> str:
    return described(Client, ApiError)


if __name__ == "__main__":
    made = {
        COMMANDS: {"options": every_option()},
        HTTP: {"codes": elsewhere()},
        PYTHON: {"notebook": notebook(), "client": client()},
    }
    for page_name, parts in made.items():
        (ROOT / page_name).write_text(put(page(page_name), parts), encoding="utf-8")
