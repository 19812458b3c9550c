"""Photos sent as a set, and what the page then shows."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from .visitor import Visitor

PART = r"/api/v1/sets/.*/images\?after="  # a further one of a set
CHOOSE = "#home input[multiple]:not([webkitdirectory])"


def send(visitor: Visitor, photos: list[Path]) -> Page:
    page = visitor.open("/sets")
    page.set_input_files(CHOOSE, photos)
    page.wait_for_url("**/sets/*")
    page.locator("#set:visible").wait_for()
    return page


def asks_before_it_is_left(page: Page) -> bool:
    return not page.evaluate("dispatchEvent(new Event('beforeunload', { cancelable: true }))")


def tiles(page: Page) -> list[str]:
    return page.locator("#images .caption > span:first-child").all_inner_texts()
