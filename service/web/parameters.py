"""Query parameters. One that is unknown, or stands twice, is refused: a misspelt one that is ignored
would answer another question than the one that was asked."""

from __future__ import annotations

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import GarmentNotFound, InvalidParameter
from service.recommend import MOST, Query


class Parameters(BaseModel):
    """A call without parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SimilarParameters(Parameters):
    """How to search; see `service.recommend.Query`."""

    n: int = Field(default=9, ge=1, le=MOST)
    label: str = "auto"
    mass: float | None = Field(default=None, gt=0, le=1)
    min_similarity: float | None = Field(default=None, ge=-1, le=1)
    exact: bool = False

    def query(self) -> Query:
        return Query(self.n, self.label, self.mass, self.min_similarity, self.exact)


class SetParameters(Parameters):
    """k: how many of the most common categories; all of them by default."""

    k: int | None = Field(default=None, ge=1, le=1000)


class ImageParameters(Parameters):
    """width: a JPEG no wider than this many pixels, instead of the picture as it is stored."""

    width: int | None = Field(default=None, ge=16, le=2048)


Model = TypeVar("Model", bound=Parameters)


def parameters(model: type[Model]) -> Model:
    """The current request's query as `model`. Raises `InvalidParameter`, naming the parameter."""
    given = request.args.to_dict(flat=False)
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidParameter(f"{name} stands {len(values)} times; give it once.")
    try:
        return model.model_validate({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields) or "none"
            raise InvalidParameter(f"{name} is no parameter here; known: {known}.") from None
        said = first["msg"].removeprefix("Input should be ")
        raise InvalidParameter(
            f"{name}={first['input']} cannot be used: it must be {said}."
        ) from None


def garment_id(text: str) -> int:
    """The id in a path. Raises `GarmentNotFound` for what cannot be one."""
    if text.isascii() and text.isdecimal() and len(text) <= 18:  # fits Postgres's bigint
        return int(text)
    raise GarmentNotFound(f"There is no garment {text}.")
