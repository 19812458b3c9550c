"""What a request may carry beside photos: parameters of the path and the query, and JSON bodies.

The same models validate and describe. A parameter that is unknown, or stands twice, is refused: a
misspelt one that is ignored would answer another question than the one that was asked.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from service.catalog import MAX_LIMIT, REPORTS, STORED
from service.domain import LabelSource
from service.errors import FeedbackNotFound, GarmentNotFound, ImportNotFound, InvalidParameter
from service.recommend import MOST, Query
from service.schemas import tidy

# Which labels there are depends on the model that serves, so a document can only name the format
LABEL = Field(max_length=100, json_schema_extra={"format": "label"}, examples=["Dress"])

BIGINT_DIGITS = 18  # every number of so many digits fits Postgres's bigint

# Path parameters are strings to the routes: one that cannot be an id is just not found
PATH: dict[str, dict[str, Any]] = {
    "garment_id": {
        "description": "a garment's id",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**BIGINT_DIGITS - 1},
        "example": 17,
    },
    "feedback_id": {
        "description": "a feedback's id",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**BIGINT_DIGITS - 1},
        "example": 3,
    },
    "import_id": {
        "description": "an import's id",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**BIGINT_DIGITS - 1},
        "example": 3,
    },
    "report": {
        "description": "a report's name",
        "schema": {"type": "string", "enum": list(REPORTS)},
        "example": "categories",
    },
    "stored_report": {
        "description": "a stored report's name",
        "schema": {"type": "string", "enum": list(STORED)},
        "example": "duplicates",
    },
    "set_id": {
        "description": "a set's id",
        "schema": {"type": "string", "format": "uuid"},
        "example": "6f1f6a3e-5b0c-4d61-9f0c-0a8a6f3d2b11",
    },
}


Model = TypeVar("Model", bound="Parameters")


class Parameters(BaseModel):
    """A call without parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=tidy)


class SimilarParameters(Parameters):
    """How to search; see `service.recommend.Query`."""

    n: int = Field(default=9, ge=1, le=MOST, description="how many matches")
    label: Annotated[str, Field(json_schema_extra={"format": "labels"})] = Field(
        default="auto",
        description="which categories to search: `auto`, the photo's own; `any`; or names, "
        "separated by commas, in any case",
        examples=["auto", "any", "Dress,Romper"],
    )
    mass: Annotated[float, Field(gt=0, le=1)] | SkipJsonSchema[None] = Field(
        default=None,
        description="with label=auto only: search every category needed to reach this probability",
    )
    min_similarity: Annotated[float, Field(ge=-1, le=1)] | SkipJsonSchema[None] = Field(
        default=None,
        description="leave out matches below this cosine",
    )
    exact: bool = Field(default=False, description="use no approximate index")

    def query(self) -> Query:
        return Query(self.n, self.label, self.mass, self.min_similarity, self.exact)


class SetParameters(Parameters):
    k: Annotated[int, Field(ge=1, le=1000)] | SkipJsonSchema[None] = Field(
        default=None,
        description="how many of the most common categories; all of them by default",
    )


class ImageParameters(Parameters):
    width: Annotated[int, Field(ge=16, le=2048)] | SkipJsonSchema[None] = Field(
        default=None,
        description="a JPEG no wider than so many pixels, instead of the picture as it is stored",
    )


class ImportListParameters(Parameters):
    limit: int = Field(default=20, ge=1, le=100, description="how many, the newest first")
    before: Annotated[int, Field(ge=1, le=10**BIGINT_DIGITS)] | SkipJsonSchema[None] = Field(
        default=None, description="only imports of a lower id"
    )


class ImportBody(Parameters):
    source: str = Field(
        min_length=1,
        max_length=2000,
        json_schema_extra={"format": "source"},
        description="on the server: an absolute path of a folder, a table or DeepFashion annotations "
        "in one of the folders of FASHION_STUDIO_IMPORT_ROOTS",
        examples=["/photos/summer/garments.csv"],
    )
    labels: LabelSource = Field(
        default="given",
        description="`given` uses the source's labels where it has them, `predicted` the model's",
    )


class GarmentsParameters(Parameters):
    label: Annotated[str, LABEL] | SkipJsonSchema[None] = Field(
        default=None, description="only garments of this category, in any case"
    )
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="how many at most")
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | SkipJsonSchema[None] = Field(
        default=None, description="the `next_cursor` of the page before", examples=["50"]
    )


class NewLabel(Parameters):
    """What a person says that a garment is."""

    label: Annotated[str, LABEL] = Field(description="a category of the serving model, in any case")


def query_parameters(model: type[Model]) -> Model:
    """The current request's query as `model`. Raises `InvalidParameter`, naming the parameter."""
    return validated(model, once_each(request.args.to_dict(flat=False)))


def json_body(model: type[Model]) -> Model:
    """The current request's JSON object as `model`. Raises `InvalidParameter`, naming the field."""
    try:
        document = request.get_json(silent=True)
    except RecursionError:  # brackets within brackets, thousands deep
        document = None
    if not isinstance(document, dict):
        raise InvalidParameter("The body must be a JSON object, sent as application/json.")
    return validated(model, document)


def once_each(given: dict[str, list[Any]]) -> dict[str, Any]:
    """The one value of each name. Raises `InvalidParameter` for a name that stands twice."""
    for name, values in given.items():
        if len(values) > 1:
            raise InvalidParameter(f"{name} stands {len(values)} times; give it once.")
    return {name: values[0] for name, values in given.items()}


def validated(model: type[Model], given: dict[str, Any]) -> Model:
    """Raises `InvalidParameter` for the first field that cannot be used."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # a field's name that is no text
            raise InvalidParameter("The body has a field whose name cannot be read.") from None
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields) or "none"
            raise InvalidParameter(f"{name} is no parameter here; known: {known}.") from None
        if first["type"] == "missing":
            raise InvalidParameter(f"{name} is missing.") from None
        said = first["msg"].removeprefix("Input should be ")
        examples = model.model_fields[name].examples
        if first["type"] == "string_pattern_mismatch" and examples:
            said = f"of the form of {examples[0]}"
        given = first["input"]
        shown = f"{name}={given:.100}" if isinstance(given, str) else name
        raise InvalidParameter(f"{shown} cannot be used: it must be {said}.") from None


def parse_garment_id(text: str) -> int:
    """The id in a path. Raises `GarmentNotFound` for what cannot be one."""
    if _is_bigint(text):
        return int(text)
    raise GarmentNotFound(f"There is no garment {text}.")


def parse_import_id(text: str) -> int:
    """The id in a path. Raises `ImportNotFound` for what cannot be one."""
    if _is_bigint(text):
        return int(text)
    raise ImportNotFound(f"There is no import {text}.")


def parse_feedback_id(text: str) -> int:
    """The id in a path. Raises `FeedbackNotFound` for what cannot be one."""
    if _is_bigint(text):
        return int(text)
    raise FeedbackNotFound(f"There is no feedback {text}.")


def _is_bigint(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= BIGINT_DIGITS
