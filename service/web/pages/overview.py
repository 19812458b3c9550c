"""The catalog as a whole: its reports as charts, and the state of its similarity indexes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from service.catalog import RECALL_MINIMUM, kept_recall, leftovers, read_report, shelves
from service.show import percent
from service.web.auth import authorize, may
from service.web.context import studio
from service.web.pages.frame import pages, render

ROWS = 2000  # of a report in its table; half a year of sets

# Columns whose values are conditions of the catalog
CONDITIONS = {
    "label": "label",
    "predicted_label": "predicted_label",
    "suggested_label": "label",
    "model": "model",
}


@pages.get("/overview")
def overview() -> str:
    """The indexes are looked at here; the script asks the API for each report, all of them at once."""
    authorize("read")
    engine = studio().engine
    found = shelves(engine)
    return render(
        "overview.html",
        shelves=[shelf for shelf in found if shelf.rows],
        total=sum(shelf.rows for shelf in found),
        recalls={kept.label: kept for kept in kept_recall(engine)},
        leftovers=leftovers(engine),
        wanted=RECALL_MINIMUM,
        percent=percent,
        rows=ROWS,
        may_analyse=may("admin"),
    )


@pages.get("/overview/<report>")
def report_rows(report: str) -> str:
    """What a chart is drawn from: the rows of a report, each with a way to the garments that it counts."""
    authorize("read")
    similarity = studio().settings.duplicate_similarity
    ask = partial(read_report, name=report, limit=ROWS, duplicate_similarity=similarity)
    found = studio().read(ask)
    groups = [(str(value), list(rows)) for value, rows in groupby(found.rows, key=itemgetter(0))]
    return render(
        "report.html",
        report=found,
        groups=groups,
        shown=shown,
        behind=behind,
        may_analyse=may("admin"),
    )


def shown(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def behind(report: str, column: str, value: Any) -> str | None:
    """The address of the garments that a value stands for; None where it stands for none."""
    if value is None:
        return None
    if column.endswith("_id") and column != "group_id":
        return f"/garments/{value}"
    if column == "day":
        days = {"added_from": value, "added_to": value}
        return f"/catalog?{urlencode(days)}" if report == "growth" else None
    condition = CONDITIONS.get(column)
    return f"/catalog?{urlencode({condition: value})}" if condition else None
