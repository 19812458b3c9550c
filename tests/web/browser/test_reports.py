"""The reports row by row, and the charts of stored sets and of models that lead there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from service.catalog import REPORTS

from .site import Site
from .visitor import Visitor


def test_photos_in_sets_are_counted_by_day_and_category(
    at_reports: Visitor, reported: Site
) -> None:
    page = at_reports.open("/overview")
    bars = page.locator("#sets svg a")
    expect(bars).to_have_count(2)
    counts = dict(
        reported.rows("SELECT day::text, sum(images)::int FROM catalog_sets GROUP BY day")
    )
    said = bars.first.get_attribute("aria-label") or ""
    assert said == f"1 Mar 2026: {counts['2026-03-01']} photos"
    labels = dict(reported.rows("SELECT label, sum(images)::int FROM catalog_sets GROUP BY label"))
    rows = page.locator("#sets li")
    expect(rows).to_have_count(len(labels))
    for name, number in zip(
        rows.locator(".name").all_inner_texts(),
        rows.locator(".number").all_inner_texts(),
        strict=True,
    ):
        assert int(number.split(" · ")[0]) == labels[name]
    page.locator("#sets").scroll_into_view_if_needed()
    at_reports.look("overview-sets")
    bars.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/overview/sets#2026-03-01")
    day = page.locator("tbody:target tr")
    images = [int(row.locator("td").nth(3).inner_text()) for row in day.all()]
    assert sum(images) == counts["2026-03-01"]
    at_reports.look("report-sets")


def test_a_chart_that_is_cut_says_so(reported: Site, visit: Callable[[Site, str], Visitor]) -> None:
    page = visit(reported, "desktop").page

    def cut(route: Route) -> None:
        route.continue_(url=re.sub(r"limit=\d+", "limit=2", route.request.url))

    def cut_in_a_day(route: Route) -> None:
        report = route.fetch().json()
        report["rows"].append(report["rows"][-1] | {"day": "2026-02-01"})
        route.fulfill(json=report | {"more": True})

    page.route(re.compile("analytics/(growth|agreement)"), cut)
    page.route(re.compile("analytics/sets"), cut_in_a_day)
    page.goto("/overview")
    expect(page.locator("#growth a")).to_have_count(2)
    expect(page.locator("#growth")).to_contain_text("Since 5 Mar 2026: the days before")
    expect(page.locator("#agreement")).to_contain_text("Drawn from the first 2 rows alone.")
    expect(page.locator("#sets svg a")).to_have_count(2)
    expect(page.locator("#sets")).to_contain_text("Since 1 Mar 2026")


def test_a_models_garments_are_counted_and_shown(at_reports: Visitor, reported: Site) -> None:
    page = at_reports.open("/overview")
    model = page.locator("#models a")
    expect(model).to_have_count(1)
    expect(model).to_contain_text("34 · 100 %")
    model.click()
    page.wait_for_url(re.compile(r"/catalog\?model="))
    expect(page.locator("#garments .card")).to_have_count(34)


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_shown_row_by_row(
    reported: Site, visit: Callable[[Site, str], Visitor], name: str
) -> None:
    visitor = visit(reported, "desktop")
    page = visitor.open(f"/overview/{name}")
    (count,) = reported.rows(f"SELECT count(*) FROM catalog_{name}")[0]
    assert page.locator("tbody tr").count() == count
    if not count:
        expect(page.get_by_role("heading", name="There are no rows")).to_be_visible()
    for link in page.locator("tbody a").all()[:8]:  # each leads to something
        address = link.get_attribute("href") or ""
        assert visitor.context.request.get(address).ok, address


def test_a_report_that_was_never_made_says_what_the_visitor_can_do(
    site: Site, locked: tuple[Site, str], visit: Callable[[Site, str], Visitor]
) -> None:
    page = visit(site, "desktop").open("/overview/mislabels")
    expect(page.locator(".empty")).to_contain_text("the overview has a button for it")
    visitor = visit(locked[0], "phone")
    visitor.forgiven.append("status of 401")
    page = visitor.open("/overview/mislabels")
    page.get_by_label("API key").fill(locked[1])
    page.keyboard.press("Enter")
    expect(page.locator(".empty")).to_contain_text("ask somebody whose key has the scope admin")
    visitor.look("report-never-made")


def test_rows_lead_to_garments_and_are_saved(at_reports: Visitor, reported: Site) -> None:
    page = at_reports.open("/overview")
    page.get_by_role("link", name="Garments by category, row by row").click()
    page.wait_for_url("**/overview/categories")
    at_reports.look("report-categories")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    text = download.value.path().read_bytes().decode("utf-8-sig")
    assert download.value.suggested_filename == "categories.csv"
    rows = reported.rows("SELECT label, garments::text FROM catalog_categories ORDER BY position")
    found = list(csv.DictReader(io.StringIO(text)))
    assert [(row["label"], row["garments"]) for row in found] == rows
    page.get_by_role("link", name="Dress").click()
    page.wait_for_url("**/catalog?label=Dress")
    page = at_reports.open("/overview/growth")
    page.locator("tbody tr").last.get_by_role("link").click()
    page.wait_for_url("**/catalog?added_from=2026-03-01&added_to=2026-03-01")
    expect(page.locator("#garments .card")).to_have_count(8)


def test_no_cell_of_a_table_is_a_formula(site: Site, visit: Callable[[Site, str], Visitor]) -> None:
    page = visit(site, "desktop").open("/")
    written = page.evaluate(
        """import("/static/csv.js").then(({ csv }) =>
            csv([["=1+1", '=LINK("x")', "+1", "-b.jpg", "@a", "\\ta"], ["a=1", -0.5, null]]))"""
    )
    assert written == ("'=1+1,\"'=LINK(\"\"x\"\")\",'+1,'-b.jpg,'@a,'\ta\r\na=1,-0.5,\r\n")


def test_a_report_that_is_not_there_is_said(visitor: Visitor) -> None:
    visitor.forgiven.append("404")
    page = visitor.open("/overview/none")
    expect(page.get_by_text("There is no report none.")).to_be_visible()
