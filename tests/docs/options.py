"""Every option as a table of docs/commands.md: compared by a test, written by `make options`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from service.cli import fashion_studio

from .pages import ROOT, page, put, table

PAGE = "docs/commands.md"
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


if __name__ == "__main__":
    (ROOT / PAGE).write_text(put(page(PAGE), {"options": every_option()}), encoding="utf-8")
