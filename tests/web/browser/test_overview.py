"""The overview: every number leads to the garments behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from service.catalog import REPORTS, Row
from service.client import Client

from .site import Opening, Site
from .visitor import SIZES, Visitor

ENOUGH_DRESSES = """
    UPDATE similarity_threshold SET similarity = wanted_precision - 0.2, precision = 0.92, pairs = 24
    WHERE label = 'Dress' AND wanted_precision BETWEEN 0.7 AND 0.95
"""


def opened(visitor: Visitor) -> Page:
    page = visitor.open("/overview")
    for name in ("categories", "confidence", "growth", "agreement", "duplicates"):
        page.locator(f"#{name}[aria-busy=false]").wait_for()
    return page


def look(page: Page) -> None:
    """Let the page look once at the comparison that it follows."""
    with page.expect_response(re.compile("mislabels")) as response:
        page.clock.run_for(1500)
    response.value.finished()


def test_charts_are_as_the_catalog_is(at_reports: Visitor, reported: Site) -> None:
    page = opened(at_reports)
    at_reports.look("overview")
    expect(page.locator("#categories li")).to_have_count(11)
    expect(page.locator("#confidence li")).to_have_count(11)
    expect(page.locator("#categories li", has_text="Dress")).to_contain_text("3 · 9 %")
    bars = page.locator("#growth a")
    expect(bars).to_have_count(3)
    expect(bars.first).to_have_attribute("aria-label", re.compile("1 Mar 2026.*8 garments added"))
    expect(page.locator("table tbody tr")).to_have_count(11)
    expect(page.locator("table tbody tr").first).to_contain_text("exactly")
    expect(page.locator("#duplicates .groups li")).to_have_count(1)  # the same bytes need no search


def test_every_chart_leads_to_the_garments_behind_it(at_reports: Visitor, reported: Site) -> None:
    page = opened(at_reports)
    with Client(reported.url) as client:
        first_days = {garment.id for garment in client.garments(added_to="2026-03-01")}
        dresses = {garment.id for garment in client.garments(label="Dress")}
    for link, garments in (
        (page.locator("#growth a").first, first_days),
        (page.locator("#categories a", has_text="Dress"), dresses),
    ):
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/catalog?**")
        shown = page.locator("#garments .card").evaluate_all(
            "all => all.map((card) => Number(card.dataset.garment))"
        )
        assert set(shown) == garments
        page.go_back()
        page.locator("#growth[aria-busy=false]").wait_for()
    page.locator("#duplicates .card").first.click()
    page.wait_for_url("**/garments/*")


def test_the_least_sure_tenth_is_shown_however_small_its_confidence(
    opening: Opening, drawn: Path, rows: list[Row], visit: Callable[[Site, str], Visitor]
) -> None:
    doubtful = [
        replace(row, confidence=0.0003)
        if row.label == "Dress"
        else replace(row, confidence=0.99964)
        for row in rows
    ]
    with opening(drawn, doubtful) as site:
        page = opened(visit(site, "desktop"))
        for label in ("Dress", "Tee"):
            page.locator("#confidence a", has_text=label).click()
            page.wait_for_url("**/catalog?**")
            expect(page.locator("#garments .card")).to_have_count(3)
            page.go_back()
            page.locator("#confidence[aria-busy=false]").wait_for()
        href = page.locator("#confidence a", has_text="Tee").get_attribute("href") or ""
        assert "max_confidence=0.999641" in href  # not 1, which every garment is below


def test_given_labels_of_which_the_network_has_seen_no_photo_are_not_said_to_be_none(
    opening: Opening, drawn: Path, rows: list[Row], visit: Callable[[Site, str], Visitor]
) -> None:
    unseen = [replace(row, predicted_label=None, confidence=None) for row in rows]
    with opening(drawn, unseen) as site:
        page = opened(visit(site, "desktop"))
        expect(page.locator("#agreement")).to_have_text(
            "There is no garment of which both a given label and the network's are known."
        )


def test_a_report_that_does_not_come_is_said_and_asked_for_again(at_reports: Visitor) -> None:
    at_reports.forgiven.append("ERR_|Failed to load")
    at_reports.page.route(re.compile("analytics/growth"), lambda route: route.abort())
    page = opened(at_reports)
    expect(page.locator("#growth")).to_have_text("This did not come.")
    expect(page.locator("#trouble")).to_contain_text("The server does not answer")
    expect(page.locator("#categories li")).to_have_count(11)
    at_reports.page.unroute(re.compile("analytics/growth"))
    page.get_by_role("button", name="Try again").click()
    page.locator("#growth svg").wait_for()
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_report_that_was_asked_for_too_soon_is_asked_for_again(at_reports: Visitor) -> None:
    at_reports.forgiven.append("status of 429")
    page = at_reports.page
    page.route(
        re.compile("analytics/growth"),
        lambda route: route.fulfill(
            status=429, headers={"Retry-After": "2"}, json={"code": "rate_limited", "detail": "No."}
        ),
        times=1,
    )
    opened(at_reports)
    expect(page.locator("#trouble")).to_contain_text(
        "Too much was asked in a short time. Try again in 2 seconds."
    )
    page.get_by_role("button", name="Try again").click()
    page.locator("#growth svg").wait_for()


def test_a_lost_connection_is_said_once_for_all_charts(at_reports: Visitor) -> None:
    at_reports.forgiven.append("ERR_|Failed to load")
    at_reports.page.route(re.compile("/analytics/"), lambda route: route.abort())
    page = opened(at_reports)
    expect(page.get_by_text("This did not come.")).to_have_count(len(REPORTS))
    expect(page.get_by_text("The server does not answer")).to_have_count(1)
    at_reports.look("overview-lost")
    at_reports.page.unroute(re.compile("/analytics/"))
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("This did not come.")).to_have_count(0)
    page.locator("#growth svg").wait_for()


def test_garments_are_compared_when_that_is_asked_and_again_when_they_change(
    reported: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    visitor = visit(reported, "desktop")
    page = opened(visitor)
    expect(page.locator("#mislabels")).to_contain_text("Not known yet.")
    page.get_by_role("button", name="Compare them now").click()
    expect(page.locator("#analysis")).to_be_hidden(timeout=90_000)
    expect(page.locator("#mislabels")).not_to_contain_text("Not known yet.")
    expect(page.locator("#outliers")).not_to_contain_text("Not known yet.")
    expect(page.locator("#thresholds")).to_contain_text("In no category is any similarity enough")
    reported.rows(ENOUGH_DRESSES)  # three garments of a category reach nothing by themselves
    page = opened(visitor)
    names = page.locator("#thresholds .name")
    expect(names).to_have_count(11)
    dress = page.locator("#thresholds a", has_text="Dress")
    expect(dress).to_have_attribute(
        "title", re.compile(r"from a similarity of 0.70 on, 92\s% of 24 neighbours have its label")
    )
    expect(dress.locator(".number")).to_have_text("from 0.70")
    expect(page.locator("#thresholds a", has_text="Tee").locator(".number")).to_have_text("never")
    page.locator("#thresholds").scroll_into_view_if_needed()
    visitor.look("overview-thresholds")
    dress.click()
    page.wait_for_url("**/overview/thresholds#Dress")
    assert page.locator("tbody:target tr").count() > 1  # levels of precision
    with Client(reported.url) as client:
        client.relabel(7, "Romper")
    visitor = visit(reported, "phone")
    page = opened(visitor)
    expect(page.locator("#analysis")).to_contain_text("out of date")
    expect(page.get_by_role("button", name="Make it anew")).to_be_visible()
    page.locator("#mislabels").scroll_into_view_if_needed()
    visitor.look("overview-compared")


def test_a_comparison_that_nobody_works_on_is_said_to_be_none(
    site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    visitor = visit(site, "desktop")
    page = visitor.page
    page.clock.install()
    page.route(re.compile("refresh$"), lambda route: route.fulfill(status=202, json={}))
    opened(visitor)
    page.get_by_role("button", name="Compare them now").click()
    expect(page.locator("#analysis")).to_contain_text("waits for its turn")

    def progress(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"progress": {"done": 12, "total": 33}})

    page.route(re.compile("mislabels"), progress, times=1)
    look(page)
    expect(page.locator("#analysis")).to_contain_text("12 of 33 garments")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, writable: true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(5):
        page.clock.run_for(1500)
    assert asked == []  # nobody sees it
    page.evaluate("document.hidden = false")
    for _ in range(10):
        look(page)
    expect(page.locator("#analysis")).to_contain_text("Nothing is at work on it")
    expect(page.locator("#analysis-bar")).to_be_hidden()
    expect(page.get_by_role("button", name="Compare them now")).to_be_visible()
    page.clock.run_for(60_000)
    assert len(asked) == 10


def test_a_comparison_that_waits_is_followed_until_it_is_cancelled(
    site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    visitor = visit(site, "phone")
    page = visitor.page
    page.clock.install()
    with Client(site.url) as client:
        client.refresh_report("mislabels")
        opened(visitor)
        expect(page.locator("#analysis")).to_contain_text("begins as soon as a worker is free")
        expect(page.get_by_role("button", name="Compare them now")).to_be_hidden()
        visitor.look("overview-waiting")
        for _ in range(12):
            look(page)
        expect(page.locator("#analysis")).to_contain_text("begins as soon as a worker is free")
        client.cancel_report("mislabels")
    for _ in range(10):
        look(page)
    expect(page.locator("#analysis")).to_contain_text("Nothing is at work on it")
    expect(page.get_by_role("button", name="Compare them now")).to_be_visible()


def test_an_empty_catalog_has_no_charts(
    empty_site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    for size in SIZES:
        visitor = visit(empty_site, size)
        page = visitor.open("/overview")
        expect(page.get_by_role("heading", name="The catalog is still empty")).to_be_visible()
        expect(page.locator("#sets")).to_contain_text("No photos were sent yet.")
        visitor.look("overview-empty")
