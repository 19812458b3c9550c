"""Kinds of arguments that several commands take."""

from __future__ import annotations

import click

from service.storage import Location, locate


class LocationType(click.ParamType[Location]):
    """A file or folder of this machine, or an fsspec URL."""

    name = "path or url"

    def convert(
        self, value: str | Location, param: click.Parameter | None, ctx: click.Context | None
    ) -> Location:
        return locate(value) if isinstance(value, str) else value


LOCATION = LocationType()
