"""The overview: every number leads to the garments behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.catalog import Row
from service.client import Client

from .site import Opening, Site, pictures_of
from .visitor import SIZES, Visitor

DAYS = """
    UPDATE garment SET created_at = CASE
        WHEN id <= 8 THEN timestamptz '2026-03-01 12:00Z'
        WHEN id <= 20 THEN timestamptz '2026-03-05 12:00Z'
        ELSE timestamptz '2026-03-06 00:30Z' END
"""


@pytest.fixture(scope="module")
def own(
    opening: Opening, drawn: Path, rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Garments that came on three days, two of them the same photo."""
    root = pictures_of(drawn, tmp_path_factory.mktemp("own") / "pictures")
    (root / "again.jpg").write_bytes((root / rows[0].image_path).read_bytes())
    twin = replace(rows[0], image_path="again.jpg", label_source="predicted")
    with opening(root, [*rows, twin]) as site:
        site.rows(DAYS)
        yield site


@pytest.fixture(params=SIZES)
def at_own(
    request: pytest.FixtureRequest, own: Site, visit: Callable[[Site, str], Visitor]
) -> Visitor:
    return visit(own, request.param)


def opened(visitor: Visitor) -> Page:
    page = visitor.open("/overview")
    for name in ("categories", "confidence", "growth", "agreement", "duplicates"):
        page.locator(f"#{name}[aria-busy=false]").wait_for()
    return page


def test_charts_are_as_the_catalog_is(at_own: Visitor, own: Site) -> None:
    page = opened(at_own)
    at_own.look("overview")
    expect(page.locator("#categories li")).to_have_count(11)
    expect(page.locator("#confidence li")).to_have_count(11)
    expect(page.locator("#categories li", has_text="Dress")).to_contain_text("3 · 9 %")
    bars = page.locator("#growth a")
    expect(bars).to_have_count(3)
    expect(bars.first).to_have_attribute("aria-label", re.compile("1 Mar 2026.*8 garments added"))
    expect(page.locator("table tbody tr")).to_have_count(11)
    expect(page.locator("table tbody tr").first).to_contain_text("exactly")
    expect(page.locator("#duplicates .groups li")).to_have_count(1)  # the same bytes need no search


def test_every_chart_leads_to_the_garments_behind_it(at_own: Visitor, own: Site) -> None:
    page = opened(at_own)
    with Client(own.url) as client:
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


def test_a_report_that_does_not_come_is_said_and_asked_for_again(at_own: Visitor) -> None:
    at_own.forgiven.append("ERR_|Failed to load")
    at_own.page.route(re.compile("analytics/growth"), lambda route: route.abort())
    page = opened(at_own)
    expect(page.locator("#growth")).to_contain_text("The server does not answer")
    expect(page.locator("#categories li")).to_have_count(11)
    at_own.page.unroute(re.compile("analytics/growth"))
    page.locator("#growth").get_by_role("button", name="Try again").click()
    page.locator("#growth svg").wait_for()


def test_garments_are_compared_when_that_is_asked_and_again_when_they_change(
    own: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    visitor = visit(own, "desktop")
    page = opened(visitor)
    expect(page.locator("#mislabels")).to_contain_text("Not known yet.")
    page.get_by_role("button", name="Compare them now").click()
    expect(page.locator("#analysis")).to_be_hidden(timeout=90_000)
    expect(page.locator("#mislabels")).not_to_contain_text("Not known yet.")
    expect(page.locator("#outliers")).not_to_contain_text("Not known yet.")
    with Client(own.url) as client:
        client.relabel(7, "Romper")
    visitor = visit(own, "phone")
    page = opened(visitor)
    expect(page.locator("#analysis")).to_contain_text("out of date")
    expect(page.get_by_role("button", name="Make it anew")).to_be_visible()
    page.locator("#mislabels").scroll_into_view_if_needed()
    visitor.look("overview-compared")


def test_an_empty_catalog_has_no_charts(
    empty_site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    for size in SIZES:
        visitor = visit(empty_site, size)
        page = visitor.open("/overview")
        expect(page.get_by_role("heading", name="The catalog is still empty")).to_be_visible()
        visitor.look("overview-empty")
