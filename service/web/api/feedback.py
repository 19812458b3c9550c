"""What people say of matches."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint
from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic.json_schema import SkipJsonSchema

from service import catalog
from service.domain import Verdict
from service.errors import FeedbackNotFound, FeedbackOfItself, GarmentNotFound
from service.report_schemas import Feedback, FeedbackList
from service.web.context import studio
from service.web.given import Parameters
from service.web.openapi import operation
from service.web.paths import BIGINT_DIGITS, parse_feedback_id

routes = Blueprint("feedback", __name__, url_prefix="/feedback")


class FeedbackListParameters(Parameters):
    limit: int = Field(default=100, ge=1, le=1000, description="how many, the newest first")
    before: Annotated[int, Field(ge=1, le=10**BIGINT_DIGITS)] | SkipJsonSchema[None] = Field(
        default=None, description="only feedback of a lower id"
    )


def _number(value: object) -> object:
    if isinstance(value, bool | str):  # which pydantic would take for one
        raise ValueError("it must be a number")
    return value


GarmentId = Annotated[int, Field(ge=1, le=10**BIGINT_DIGITS - 1), BeforeValidator(_number)]


class AskedGarment(Parameters):
    """A garment of the catalog was asked about."""

    garment_id: GarmentId


class AskedPhoto(Parameters):
    """A photo was asked about."""

    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="of its bytes: `query.sha256` of the recommendation",
        examples=["ab" * 32],
    )


def _asked(query: object) -> str:
    return "photo" if isinstance(query, dict) and "sha256" in query else "garment"


class FeedbackBody(Parameters):
    query: Annotated[
        Annotated[AskedGarment, Tag("garment")] | Annotated[AskedPhoto, Tag("photo")],
        Discriminator(_asked),  # so that what is wrong is told of the one that is meant
    ] = Field(description="what was asked about")
    match_id: GarmentId = Field(description="the garment that was recommended")
    verdict: Verdict = Field(description="whether it is a good match")


@routes.post("")
@operation(Feedback, 201, scope="write", refuses=(GarmentNotFound, FeedbackOfItself))
def add_feedback(json: FeedbackBody) -> tuple[dict[str, Any], int]:
    """Say whether a match is a good one.

    Every verdict counts: of a pair that was judged several times the majority is exported.
    """
    asked = json.query
    kept = catalog.store_feedback(
        studio().engine,
        json.match_id,
        json.verdict,
        query_id=asked.garment_id if isinstance(asked, AskedGarment) else None,
        query_sha256=None if isinstance(asked, AskedGarment) else asked.sha256,
    )
    return kept.as_dict(), 201


@routes.get("")
@operation(FeedbackList, scope="read")
def list_feedback(query: FeedbackListParameters) -> dict[str, Any]:
    """The newest verdicts."""
    found = catalog.list_feedback(studio().engine, limit=query.limit, before=query.before)
    return {"feedback": [one.as_dict() for one in found]}


@routes.delete("/<feedback_id>")
@operation(status=204, scope="write", refuses=(FeedbackNotFound,), description="taken back")
def delete_feedback(feedback_id: str) -> tuple[str, int]:
    """Take a verdict back."""
    catalog.delete_feedback(studio().engine, parse_feedback_id(feedback_id))
    return "", 204
