"""What people say of matches."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from service import catalog
from service.errors import FeedbackNotFound, FeedbackOfItself, GarmentNotFound
from service.schemas import Feedback, FeedbackList
from service.web.context import studio
from service.web.openapi import operation
from service.web.parameters import AskedGarment, FeedbackBody, FeedbackListParameters
from service.web.paths import parse_feedback_id

routes = Blueprint("feedback", __name__, url_prefix="/feedback")


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
