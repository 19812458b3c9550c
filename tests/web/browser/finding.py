"""What the tests of "find similar" do again and again."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from .visitor import Visitor

CHOOSE = "#home input[data-take] >> nth=0"


def ask_about(visitor: Visitor, photo: Path) -> Page:
    """Choose the photo on the first page, and wait for its answer."""
    page = visitor.open("/")
    page.set_input_files(CHOOSE, photo)
    answered(page)
    return page


def answered(page: Page) -> None:
    """Wait until the newest answer is drawn."""
    page.locator("#find[aria-busy=false] #matches a.card >> nth=0").wait_for()


def cards(page: Page) -> int:
    """How many matches are shown."""
    return page.locator("#matches a.card").count()
