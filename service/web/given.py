"""What a request gives, as a model: unknown and repeated parameters are refused.

A misspelt one that is ignored would answer another question than the one that was asked.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, ValidationError

from service.errors import InvalidParameter
from service.schemas import tidy

Model = TypeVar("Model", bound="Parameters")


class Parameters(BaseModel):
    """A call without parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tidy)


def query_parameters(model: type[Model]) -> Model:
    """The current request's query as `model`. Raises `InvalidParameter`, naming the parameter."""
    return validated(model, once_each(request.args.to_dict(flat=False)))


def json_body(model: type[Model]) -> Model:
    """The current request's JSON object as `model`. Raises `InvalidParameter`, naming the field, or
    werkzeug's 413 beyond the caps."""
    data = request.get_data()
    request.stream.read(1)  # one that comes in chunks is cut off at the cap, and nothing says so
    document = None
    if request.is_json:
        with suppress(ValueError, RecursionError):  # brackets within brackets, thousands deep
            document = json.loads(data, object_pairs_hook=_object)
    if not isinstance(document, dict):
        raise InvalidParameter("The body must be a JSON object, sent as application/json.")
    return validated(model, document)


def once_each(given: dict[str, list[Any]]) -> dict[str, Any]:
    """The one value of each name. Raises `InvalidParameter` for a name that stands twice."""
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidParameter(f"{name} stands {len(values)} times; give it once.")
    return {name: values[0] for name, values in given.items()}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    given: dict[str, list[Any]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    return once_each(given)


def validated(model: type[Model], given: dict[str, Any]) -> Model:
    """Raises `InvalidParameter` for the first field that cannot be used."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"] or first["type"] == "invalid_key":  # a field's name that is no text
            raise InvalidParameter("The body has a field whose name cannot be read.") from None
        field = str(first["loc"][0])
        # query.garment_id; between the two the location names which of several models it is
        name = f"{field}.{first['loc'][-1]}" if len(first["loc"]) > 2 else field
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields) or "none"
            known = f"; known: {known}" if name == field else ""
            raise InvalidParameter(f"{name} is no parameter here{known}.") from None
        if first["type"] == "missing":
            raise InvalidParameter(f"{name} is missing.") from None
        said = re.sub(r"^\w+ should ", "it must ", first["msg"].removeprefix("Value error, "))
        examples = model.model_fields[field].examples
        if first["type"] == "string_pattern_mismatch" and examples:
            said = f"it must be of the form of {examples[0]}"
        given = first["input"]
        shown = f"{name}={given:.100}" if isinstance(given, str) else name
        raise InvalidParameter(f"{shown} cannot be used: {said}.") from None
