"""Reports over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask.testing import FlaskClient

from service.catalog import REPORTS, STORED, analyse, queue_state
from service.report_schemas import Analysis, Report
from service.studio import Studio
from service.web.pages.overview import shown

from .asking import require_problem


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_answered_as_described(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/api/v1/analytics/{name}")
    assert answer.status_code == 200
    report = Report.model_validate(answer.get_json())
    assert (report.report, report.stored) == (name, name in STORED)
    names = [column.name for column in report.columns]
    assert all(list(row) == names for row in report.rows)


def test_categories_count_the_catalog(client: FlaskClient) -> None:
    rows = client.get("/api/v1/analytics/categories").get_json()["rows"]
    assert len(rows) == 11
    assert {row["garments"] for row in rows} == {3}
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-5)


def test_a_time_on_a_page_is_in_utc_whatever_the_zone_of_the_database() -> None:
    there = timezone(timedelta(hours=2))
    for time in (
        datetime(2026, 3, 1, 0, 30, tzinfo=there),
        datetime(2026, 2, 28, 22, 30, tzinfo=UTC),
    ):
        assert shown(time) == "2026-02-28 22:30 UTC"


def test_a_limit_cuts(client: FlaskClient) -> None:
    cut = client.get("/api/v1/analytics/categories?limit=2").get_json()
    assert (len(cut["rows"]), cut["more"]) == (2, True)
    require_problem(client.get("/api/v1/analytics/categories?limit=0"), 400, "invalid_parameter")


def test_an_empty_catalog_has_empty_reports(empty: FlaskClient) -> None:
    for name in REPORTS:
        answer = empty.get(f"/api/v1/analytics/{name}")
        assert answer.status_code == 200
        if name not in ("categories", "models"):  # these name what there could be
            assert answer.get_json()["rows"] == []


def test_an_unknown_report_is_no_report(client: FlaskClient) -> None:
    said = require_problem(client.get("/api/v1/analytics/sales"), 404, "report_not_found")
    assert "categories" in said


def test_a_stored_report_is_made_in_the_background(empty: FlaskClient, studio: Studio) -> None:
    answer = empty.post("/api/v1/analytics/duplicates/refresh")
    assert answer.status_code == 202
    assert answer.headers["Location"] == "/api/v1/analytics/duplicates"
    stands = Analysis.model_validate(answer.get_json())
    assert (stands.made_at, stands.queued) == (None, True)
    waits = {name: empty.get(f"/api/v1/analytics/{name}").get_json()["queued"] for name in REPORTS}
    assert waits == {name: name in STORED for name in REPORTS}
    assert empty.post("/api/v1/analytics/outliers/refresh").status_code == 202  # the same analysis
    assert queue_state(studio.engine, silence=60).jobs == {"todo": 1}


def test_an_analysis_that_waits_is_cancelled_and_one_can_be_asked_for_again(
    empty: FlaskClient, studio: Studio
) -> None:
    for waited in ({"cancelled": 1}, {"cancelled": 2}):
        empty.post("/api/v1/analytics/outliers/refresh")
        answer = empty.post("/api/v1/analytics/duplicates/cancel")
        stands = Analysis.model_validate(answer.get_json())
        assert (answer.status_code, stands.progress, stands.queued) == (202, None, False)
        assert queue_state(studio.engine, silence=60).jobs == waited
    empty.post("/api/v1/analytics/outliers/refresh")
    assert queue_state(studio.engine, silence=60).jobs == {"cancelled": 2, "todo": 1}


def test_another_similarity_than_that_of_the_analysis_is_said(
    empty: FlaskClient, studio: Studio
) -> None:
    analyse(studio.engine, duplicate_similarity=0.9, folder=studio.settings.folder())
    said = "This was made with 0.9 as FASHION_STUDIO_DUPLICATE_SIMILARITY, which is 0.95 by now."
    assert said in empty.get("/api/v1/analytics/duplicates").get_json()["note"]
    assert said in empty.get("/overview/duplicates").get_data(as_text=True)
    for work in ("refresh", "cancel"):
        answer = empty.post(f"/api/v1/analytics/duplicates/{work}")
        assert answer.get_json()["complaint"] == said


@pytest.mark.parametrize("name", ["categories", "sales"])
def test_only_stored_reports_are_made_and_cancelled(client: FlaskClient, name: str) -> None:
    for path in (f"/api/v1/analytics/{name}/refresh", f"/api/v1/analytics/{name}/cancel"):
        said = require_problem(client.post(path), 404, "report_not_found")
        assert "duplicates, mislabels, outliers, thresholds" in said
