"""Arguments and options that several commands take."""

from __future__ import annotations

import math
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


class WeightType(click.ParamType[tuple[str, float]]):
    """A column and what it counts: `COLUMN` or `COLUMN=NUMBER`."""

    name = "column"

    def convert(
        self,
        value: str | tuple[str, float],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        column, sign, number = value.rpartition("=")
        if not sign:
            return value, 1.0
        try:
            weight = float(number)
        except ValueError:
            weight = 0.0
        if not (column and 0 < weight < math.inf):
            self.fail(f"{value!r} is no COLUMN=NUMBER with a number above 0.", param, ctx)
        return column, weight


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
