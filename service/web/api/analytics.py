"""Reports on the catalog."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from service.catalog import read_report
from service.errors import ReportNotFound
from service.schemas import Report
from service.web.context import studio
from service.web.openapi import operation
from service.web.parameters import ReportParameters

routes = Blueprint("analytics", __name__, url_prefix="/analytics")


@routes.get("/<report>")
@operation(Report, scope="read", refuses=(ReportNotFound,))
def get_report(report: str, query: ReportParameters) -> dict[str, Any]:
    """A report on the catalog.

    `duplicates`, `mislabels`, `outliers` and `thresholds` are stored, because they need the neighbours
    of every garment.
    """
    return read_report(studio().engine, report, limit=query.limit).as_dict()
