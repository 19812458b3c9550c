"""Arguments and options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from service.storage import Location, locate

F = TypeVar("F", bound=Callable[..., Any])


class LocationType(click.ParamType[Location]):
    """A file or folder of this machine, or an fsspec URL."""

    name = "path or url"

    def convert(
        self, value: str | Location, param: click.Parameter | None, ctx: click.Context | None
    ) -> Location:
        return locate(value) if isinstance(value, str) else value


LOCATION = LocationType()

image_root_option = click.option(
    "--image-root",
    type=LOCATION,
    help="Where a table's paths start; by default at the table's folder.",
)
groups_option = click.option(
    "--group", "groups", multiple=True, metavar="COLUMN", help="As given to train."
)


def source_options(what: str, *, required: bool = True) -> Callable[[F], F]:
    """`--data` and `--image-root`: the photos that a command reads, of every kind that `ingest` takes.

    what: they are, for the help.
    """
    data_option = click.option(
        "--data", "sources", multiple=True, required=required, type=LOCATION, metavar="SOURCE",
        help=f"{what}; may be given several times.",
    )  # fmt: skip
    return lambda command: data_option(image_root_option(command))
