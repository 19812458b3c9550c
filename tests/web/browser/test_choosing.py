"""Lists to choose from, by keys: what they pass on the way is not chosen. And after coming back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from .finding import answered
from .site import Site
from .visitor import Visitor


@pytest.fixture
def at_desk(site: Site, visit: Callable[[Site, str], Visitor]) -> Visitor:
    return visit(site, "desktop")


def press(page: Page, *keys: str) -> None:
    """And give the page time to do what it should not."""
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(300)


def test_a_garment_does_not_get_the_labels_that_keys_pass(at_desk: Visitor) -> None:
    page = at_desk.open("/garments/33")
    given: list[str] = []

    def relabel(route: Route) -> None:
        given.append(route.request.post_data_json["label"])
        changed = {"label": given[-1], "label_source": "given", "confidence": None}
        route.fulfill(json=changed)

    page.route(re.compile("/api/v1/garments/33$"), relabel)
    select = page.get_by_label("Its label")
    select.focus()
    press(page, "Home", "ArrowDown", "ArrowDown")
    assert given == []
    expect(select).to_be_focused()
    label = select.input_value()
    press(page, "Enter")
    assert given == [label]
    expect(page.locator("h1")).to_have_text(label)
    expect(select).to_be_focused()
    press(page, "ArrowDown", "ArrowUp", "Tab")
    assert given == [label]  # it is what it was
    press(page, "Shift+Tab", "ArrowUp")
    other = select.input_value()
    press(page, "Tab")
    assert given == [label, other]
    expect(page.get_by_role("link", name="More like this")).to_be_focused()


def test_filters_wait_for_who_goes_through_them_by_keys(at_desk: Visitor) -> None:
    page = at_desk.open("/catalog")
    address = page.url
    select = page.get_by_label("Category")
    select.focus()
    press(page, "ArrowDown", "ArrowDown")
    assert page.url == address
    label = select.input_value()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/catalog?label={label}")


def test_another_category_is_searched_once_the_focus_goes_on(at_desk: Visitor) -> None:
    page = at_desk.open("/?garment=1")
    answered(page)
    page.focus("#other")
    press(page, "ArrowDown", "ArrowDown")
    expect(page).to_have_url(re.compile(r"garment=1$"))
    label = page.locator("#other").input_value()
    page.keyboard.press("Tab")
    expect(page.locator("#matches-title")).to_have_text(f"Most like it in {label}")
    expect(page.locator("#other")).to_have_value("")


def test_filters_say_what_is_shown_after_coming_back(at_desk: Visitor) -> None:
    page = at_desk.open("/catalog")
    page.get_by_label("Category").select_option("Dress")
    page.wait_for_url("**/catalog?label=Dress")
    page.go_back()
    page.wait_for_url("**/catalog")
    expect(page.get_by_label("Category")).to_have_value("")
    page.evaluate("document.querySelector('#filters select').value = 'Dress'")
    shown_again = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    page.evaluate(shown_again)  # as browsers do that kept the page as it was left
    expect(page.get_by_label("Category")).to_have_value("")
