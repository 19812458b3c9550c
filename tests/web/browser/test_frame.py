"""What all pages share: the way between them, by keyboard too, and the page that asks for a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from service.catalog import Row, open_engine
from service.keys import create_key

from .site import Site, serving
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


@pytest.fixture(scope="module")
def locked(
    browser: Browser,
    administrator: Engine,
    template: str,
    home: Path,
    drawn: Path,
    rows: list[Row],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Site, str]]:
    """A site that needs a key, and one that may only read."""
    log = tmp_path_factory.mktemp("locked") / "log"
    with serving(administrator, template, home, drawn, rows, log) as site:
        engine = open_engine(site.database_url)
        key, _ = create_key(engine, "reader", ["read"])
        engine.dispose()
        yield site, key


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
    page.set_input_files("#home input[multiple]", next(drawn.rglob("*.jpg")))
    expect(page.locator("#trouble")).to_contain_text("this needs write")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
