"""Photos on their way into the catalog when something goes wrong: with them, the server, or the way there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from service.catalog import Row

from ...pictures import encoded, picture
from .site import Opening, Site
from .visitor import Visitor

CHOOSE = "input[multiple]:not([webkitdirectory])"
ADD = re.compile("/api/v1/garments$")
LIST = re.compile("cursor=")
FAR = "2100-01-01"
seeds = itertools.count(1000)


@pytest.fixture(scope="module")
def filling(
    opening: Opening, rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site that these tests add to; its list has a second page."""
    many = [replace(rows[i % len(rows)], image_path=f"{i}.jpg") for i in range(60)]
    with opening(tmp_path_factory.mktemp("filling"), many) as site:
        yield site


@pytest.fixture
def at_filling(filling: Site, visit: Callable[[Site, str], Visitor]) -> Visitor:
    visitor = visit(filling, "desktop")
    visitor.forgiven.append("Failed to load resource|ERR_")
    return visitor


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Five that no catalog has."""
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(encoded(picture(90, 120, next(seeds)), "JPEG"))
    return sorted(tmp_path.iterdir())


def added(page: Page, photos: str) -> None:
    expect(page.get_by_role("heading", name=f"{photos} added")).to_be_visible()


def stalled(page: Page, photos: list[Path]) -> None:
    """The connection is lost, and the list's too, whose notice takes the place of the other."""
    page.route(ADD, lambda route: route.abort())
    page.locator(CHOOSE).set_input_files(photos)
    page.locator("#trouble").wait_for()
    lose_the_list(page)
    page.unroute(ADD)


def lose_the_list(page: Page) -> None:
    page.route(LIST, lambda route: route.abort())
    with page.expect_event("requestfailed", lambda request: bool(LIST.search(request.url))):
        page.mouse.wheel(0, 9000)
    page.locator("#trouble").wait_for()


def test_a_photo_gets_the_label_that_was_shown_when_it_was_chosen(
    at_filling: Visitor, photos: list[Path]
) -> None:
    page = at_filling.open("/catalog")
    label = page.get_by_label("New photos show")
    with at_filling.held(ADD.pattern):
        label.select_option("Blazer")
        page.locator(CHOOSE).set_input_files(photos[:4])
        label.select_option("Dress")
        page.locator(CHOOSE).set_input_files(photos[4:])
    added(page, "5 photos")
    labels = page.locator("#adding-done .caption > span:first-child").all_inner_texts()
    assert sorted(labels) == ["Blazer"] * 4 + ["Dress"]


@pytest.mark.parametrize("status", [200, 401, 403, 500, 507])
def test_what_is_no_fault_of_a_photo_keeps_it(
    at_filling: Visitor, photos: list[Path], status: int
) -> None:
    page = at_filling.open("/catalog")
    body = "A proxy" if status == 200 else '{"code": "some_fault", "detail": "Not now."}'
    page.route(ADD, lambda route: route.fulfill(status=status, body=body))
    page.locator(CHOOSE).set_input_files(photos[:2])
    said = {200: "The server answered 200.", 401: "Sign in again in another tab"}
    expect(page.locator("#trouble")).to_contain_text(said.get(status, "Not now."))
    expect(page.locator("#adding-wrong li")).to_have_count(0)
    if status == 507:
        at_filling.look("adding-stalled")
    page.unroute(ADD)
    page.get_by_role("button", name="Go on").click()
    added(page, "2 photos")
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_busy_server_is_waited_for_as_long_as_it_says(
    at_filling: Visitor, photos: list[Path]
) -> None:
    page = at_filling.page
    asked: list[Route] = []

    def busy(route: Route) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()
        else:
            route.fulfill(status=429, headers={"Retry-After": "40"}, json={"code": "rate_limited"})

    page.clock.install()
    at_filling.open("/catalog")
    page.clock.pause_at(FAR)
    page.route(ADD, busy)
    with page.expect_event("requestfinished", lambda request: request.method == "POST"):
        page.locator(CHOOSE).set_input_files(photos[:1])
    page.wait_for_timeout(100)
    page.clock.fast_forward(39_000)
    page.wait_for_timeout(100)
    assert len(asked) == 1
    page.clock.fast_forward(2_000)
    added(page, "1 photo")


def test_waiting_for_a_busy_server_is_stopped_at_once(
    at_filling: Visitor, photos: list[Path]
) -> None:
    page = at_filling.page
    page.clock.install()
    at_filling.open("/catalog")
    page.clock.pause_at(FAR)
    page.route(ADD, lambda route: route.fulfill(status=503, json={"code": "overloaded"}))
    with page.expect_event("requestfinished", lambda request: request.method == "POST"):
        page.locator(CHOOSE).set_input_files(photos[:1])
    page.wait_for_timeout(100)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#adding-note")).to_have_text("Stopped, 1 not sent")


def test_a_file_that_is_gone_holds_up_no_other(at_filling: Visitor, photos: list[Path]) -> None:
    page = at_filling.open("/catalog")
    with at_filling.held("order=newest"):
        page.locator(CHOOSE).set_input_files(photos)
        photos[0].unlink()
    added(page, "4 photos")
    expect(page.locator("#adding-wrong li")).to_have_text(
        re.compile("0.jpg.*can no longer be read")
    )


def test_a_photo_that_a_proxy_refuses_holds_up_no_other(
    at_filling: Visitor, photos: list[Path]
) -> None:
    page = at_filling.open("/catalog")
    page.route(ADD, lambda route: route.fulfill(status=413, body="<html></html>"), times=1)
    page.locator(CHOOSE).set_input_files(photos)
    added(page, "4 photos")
    expect(page.locator("#adding-wrong li")).to_contain_text("The server answered 413.")


def test_adding_that_stalled_goes_on_with_the_next_photo(
    at_filling: Visitor, photos: list[Path]
) -> None:
    page = at_filling.open("/catalog")
    stalled(page, photos[:2])
    page.locator(CHOOSE).set_input_files(photos[2:])
    added(page, "5 photos")


def test_adding_that_stalled_can_be_stopped(at_filling: Visitor, photos: list[Path]) -> None:
    page = at_filling.open("/catalog")
    stalled(page, photos[:2])
    page.unroute(LIST)
    page.get_by_role("button", name="Try again").click()  # of the list
    expect(page.locator("#trouble")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    note = "Stopped, 2 without an answer, which may be there"
    expect(page.locator("#adding-note")).to_have_text(note)


def test_adding_is_stopped_beside_a_list_that_failed(
    at_filling: Visitor, photos: list[Path]
) -> None:
    page = at_filling.open("/catalog")
    with at_filling.held(ADD.pattern):
        page.locator(CHOOSE).set_input_files(photos)
        lose_the_list(page)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#adding-note")).to_contain_text("Stopping after the photos")
        at_filling.look("adding-stopping")
    added(page, "3 photos")  # those on their way too
    expect(page.locator("#adding-note")).to_have_text("Stopped, 2 not sent")


def test_who_stops_adding_twice_is_told_what_has_no_answer(
    at_filling: Visitor, photos: list[Path]
) -> None:
    page = at_filling.open("/catalog")
    with at_filling.held(ADD.pattern) as waiting:
        page.locator(CHOOSE).set_input_files(photos)
        while len(waiting) < 3:
            page.wait_for_timeout(50)
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Stop at once").click()
        note = "Stopped, 2 not sent, 3 without an answer, which may be there"
        expect(page.locator("#adding-note")).to_have_text(note)


def test_what_is_dragged_or_pasted_within_the_page_is_no_photo(
    at_filling: Visitor, filling: Site
) -> None:
    """Browsers offer a page's own picture as a file, and copied text with a picture of it."""
    page = at_filling.open("/catalog")
    act = """([kind, where]) => {
        const data = new DataTransfer();
        data.items.add(new File(["no photo"], "picture.jpg", { type: "image/jpeg" }));
        const options = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
        const event = kind === "paste" ? new ClipboardEvent(kind, options) : new DragEvent(kind, options);
        return document.querySelector(where).dispatchEvent(event);
    }"""
    for kind, where in [
        ("paste", "input[type=search]"),
        ("dragstart", "#garments .card"),
        ("dragenter", "main"),
        ("dragover", "main"),
        ("drop", "main"),
    ]:
        assert page.evaluate(act, [kind, where]), "the page does what the browser would do itself"
    assert page.locator("body.dragging").count() == 0
    expect(page.locator("#adding")).to_be_hidden()
    for again in (["dragend", "#garments .card"], ["dragenter", "main"]):
        page.evaluate(act, again)
    assert page.locator("body.dragging").count() == 1
    assert not page.evaluate(act, ["drop", "main"])
    expect(page.locator("#adding-wrong")).to_contain_text("picture.jpg")
    page.evaluate(act, ["paste", "main"])
    expect(page.locator("#adding-wrong")).to_contain_text("picture.jpg")
