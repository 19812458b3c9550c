"""What all pages share: the way between them, by keyboard too, and the page that asks for a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .site import Site
from .visitor import SIZES, Visitor


def test_the_bar_leads_from_page_to_page(visitor: Visitor) -> None:
    page = visitor.open("/")
    here = page.locator("nav [aria-current=page]")
    expect(here).to_have_text("Find")
    page.get_by_role("link", name="Photos").click()
    page.wait_for_url("**/sets")
    expect(here).to_have_text("Photos")
    page.get_by_role("link", name="Fashion Studio").click()
    expect(here).to_have_text("Find")


def test_the_keyboard_reaches_the_content_first(visitor: Visitor) -> None:
    page = visitor.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("path", ["/", "/sets", "/catalog", "/overview", "/garments/1"])
def test_all_scripts_are_named_in_the_head(
    site: Site, visit: Callable[[Site, str], Visitor], path: str
) -> None:
    page = visit(site, "phone").open(path)
    page.wait_for_load_state("networkidle")
    named = page.locator("link[rel=modulepreload], script[src]").evaluate_all(
        "all => all.map((element) => element.href || element.src)"
    )
    loaded = page.evaluate(
        """performance.getEntriesByType("resource").map(({ name }) => name)
            .filter((name) => name.endsWith(".js"))"""
    )
    assert set(loaded) == set(named)
    assert len(loaded) == len(set(loaded)) > 3


@pytest.mark.parametrize("size", SIZES)
def test_a_key_is_asked_for_kept_and_forgotten(
    locked: tuple[Site, str], visit: Callable[[Site, str], Visitor], size: str, drawn: Path
) -> None:
    site, key = locked
    visitor = visit(site, size)
    visitor.forgiven.append("status of 40[13]")
    page = visitor.open("/?garment=1")
    visitor.look("key")
    page.get_by_label("API key").fill("fs_wrong")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#trouble")).to_contain_text("not known")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#query-note")).to_contain_text("Garment 1")  # where they wanted to go
    page.goto("/sets")
    page.set_input_files("#home input[multiple] >> nth=0", next(drawn.rglob("*.jpg")))
    expect(page.locator("#trouble")).to_contain_text("this needs write")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
