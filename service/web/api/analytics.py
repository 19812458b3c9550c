"""Reports on the catalog: read, made anew, cancelled."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, url_for
from pydantic import Field

from service.catalog import STORED, analysis_standing, cancel_analysis, read_report
from service.errors import ReportNotFound
from service.jobs import request_analysis
from service.report_schemas import Analysis, Report
from service.web.context import studio
from service.web.openapi import operation
from service.web.parameters import Parameters

routes = Blueprint("analytics", __name__, url_prefix="/analytics")

MOST_ROWS = 10_000


class ReportParameters(Parameters):
    """How much of a report."""

    limit: int = Field(default=1000, ge=1, le=MOST_ROWS, description="how many rows at most")


@routes.get("/<report>")
@operation(Report, scope="read", refuses=(ReportNotFound,))
def get_report(report: str, query: ReportParameters) -> dict[str, Any]:
    """A report on the catalog.

    `duplicates`, `mislabels`, `outliers` and `thresholds` are stored, because they need the neighbours
    of every garment.
    """
    similarity = studio().settings.duplicate_similarity
    ask = partial(read_report, name=report, limit=query.limit, duplicate_similarity=similarity)
    return studio().read(ask).as_dict()


@routes.post("/<stored_report>/refresh")
@operation(
    Analysis,
    202,
    scope="admin",
    refuses=(ReportNotFound,),
    headers={"Location": "the report, which says how far it is"},
)
def refresh_report(stored_report: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Make a stored report anew, in the background.

    One analysis makes all stored reports. One that waits or runs already is not begun again.
    """
    _require_stored(stored_report)
    place = url_for("api.analytics.get_report", report=stored_report)
    return request_analysis(studio()).as_dict(), 202, {"Location": place}


@routes.post("/<stored_report>/cancel")
@operation(Analysis, 202, scope="admin", refuses=(ReportNotFound,))
def cancel_report(stored_report: str) -> tuple[dict[str, Any], int]:
    """Stop the analysis that waits or is under way, if there is one. What was stored before stays."""
    _require_stored(stored_report)
    cancel_analysis(studio().engine)
    similarity = studio().settings.duplicate_similarity
    return analysis_standing(studio().engine, similarity).as_dict(), 202


def _require_stored(name: str) -> None:
    if name not in STORED:
        raise ReportNotFound(f"There is no stored report {name}: those are {', '.join(STORED)}.")
