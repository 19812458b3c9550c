"""A set on its way: its progress, who stops or leaves, and what goes wrong meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from service.client import Client

from ..serving import wait_for
from .sending import CHOOSE, PART, asks_before_it_is_left, send, tiles
from .site import Site
from .visitor import Visitor


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of a byte more than the server reads."""
    file = tmp_path / "large.jpg"
    file.write_bytes(bytes(20_000_001))
    return file


def test_progress_is_shown_and_stopped(visitor: Visitor, photos: list[Path]) -> None:
    page = visitor.open("/sets")
    with visitor.held(PART):
        page.set_input_files(CHOOSE, [*photos, *photos])
        expect(page.locator("#going-note")).to_have_text("8 of 24 named")
        assert page.locator("#going-photos .card").count() == 24
        assert 8 <= page.locator("#going-bar").evaluate("bar => bar.value") < 24
        assert asks_before_it_is_left(page)
        page.click("#stop")
        expect(page.locator("#going-note")).to_contain_text("Stopping")
        visitor.look("going")
    expect(page.locator("#set-title")).to_have_text("16 photos")  # those on their way too
    assert not asks_before_it_is_left(page)
    with Client(visitor.url) as client:
        assert len(client.get_set(page.url.split("/")[-1]).images) == 16


def test_who_stops_twice_waits_for_nothing(
    site: Site, visit: Callable[[Site, str], Visitor], photos: list[Path]
) -> None:
    visitor = visit(site, "desktop")
    page = visitor.open("/sets")
    with visitor.held(r"/api/v1/sets$"):
        page.set_input_files(CHOOSE, photos)
        expect(page.locator("#going-title")).to_have_text("12 photos")
        page.click("#stop")
        page.get_by_role("button", name="Stop at once").click()
        expect(page.locator("#home")).to_be_visible()
        assert page.url.endswith("/sets")
    with visitor.held(PART):
        page.set_input_files(CHOOSE, photos)
        expect(page.locator("#going-note")).to_have_text("8 of 12 named")
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_role("button", name="Stop at once").click()
        expect(page.locator("#set-title")).to_have_text("8 photos")
    assert len(tiles(page)) == 8


def test_who_goes_back_finds_what_was_sent_among_the_last_sets(
    visitor: Visitor, photos: list[Path]
) -> None:
    page = send(visitor, photos[:1])
    with visitor.held(PART):
        page.set_input_files("#set input[data-take]", [*photos, *photos])
        expect(page.locator("#going-note")).to_have_text("8 of 24 named")
        page.go_back()
        expect(page.locator("#home")).to_be_visible()
        assert asks_before_it_is_left(page)
    expect(page.locator("#toasts")).to_contain_text("16 of 24 photos were sent")
    expect(page.locator("#recent-sets a")).to_have_text(
        [re.compile("16 photos"), re.compile("1 photo")]
    )
    visitor.look("set-left")
    assert not asks_before_it_is_left(page)
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("#set-title")).to_have_text("16 photos")


def test_a_lost_connection_is_said_and_the_photos_sent_again(
    visitor: Visitor, photos: list[Path]
) -> None:
    visitor.forgiven.append("ERR_INTERNET_DISCONNECTED")
    page = visitor.open("/sets")
    with visitor.held(PART):
        page.set_input_files(CHOOSE, photos)
        expect(page.locator("#going-note")).to_have_text("8 of 12 named")
        visitor.context.set_offline(True)
    expect(page.locator("#trouble")).to_contain_text("The server does not answer")
    expect(page.locator("#set-title")).to_have_text("8 photos")  # at an address of their own
    address = page.url
    visitor.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#set-title")).to_have_text("12 photos")
    assert len(tiles(page)) == 11
    assert page.url == address
    page.goto("/sets")
    expect(page.locator("#recent-sets a")).to_have_attribute("href", urlsplit(address).path)


def test_a_file_that_is_gone_is_named_and_what_came_before_it_kept(
    site: Site, visit: Callable[[Site, str], Visitor], photos: list[Path]
) -> None:
    visitor = visit(site, "desktop")
    visitor.forgiven.append("ERR_")
    page = visitor.open("/sets")
    with visitor.held(PART):
        page.set_input_files(CHOOSE, photos)
        expect(page.locator("#going-note")).to_have_text("8 of 12 named")
        photos[-1].unlink()
    expect(page.locator("#trouble")).to_contain_text(f"{photos[-1].name} can no longer be read")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.locator("#set-title")).to_have_text("8 photos")


def test_a_key_that_is_revoked_meanwhile_loses_no_photo(
    site: Site, visit: Callable[[Site, str], Visitor], photos: list[Path]
) -> None:
    visitor = visit(site, "desktop")
    visitor.forgiven.append("status of 401")
    page = visitor.open("/sets")
    page.route(re.compile(PART), lambda route: route.fulfill(status=401, json={}), times=1)
    page.set_input_files(CHOOSE, photos)
    expect(page.locator("#trouble")).to_contain_text("Sign in again in another tab")
    expect(page.locator("#set-title")).to_have_text("8 photos")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#set-title")).to_have_text("12 photos")


def test_too_many_photos_are_not_sent_and_stop_no_others(
    visitor: Visitor, photos: list[Path]
) -> None:
    page = visitor.open("/sets")
    with visitor.held(PART):
        page.set_input_files(CHOOSE, [*photos, *photos])
        expect(page.locator("#going-note")).to_have_text("8 of 24 named")
        page.set_input_files(CHOOSE, photos[:1] * 201)
        expect(page.locator("#trouble")).to_contain_text("at most 200 make a set")
        expect(page.locator("#going")).to_be_visible()
        visitor.look("set-refused")
    expect(page.locator("#set-title")).to_have_text("24 photos")


def test_a_photo_that_is_too_large_is_left_out_and_named(
    visitor: Visitor, photos: list[Path], large: Path
) -> None:
    visitor.forgiven.append("ERR_INTERNET_DISCONNECTED")
    page = visitor.open("/sets")
    with visitor.held(PART):
        page.set_input_files(CHOOSE, [large, *photos])
        expect(page.locator("#going-note")).to_have_text("8 of 12 named")
        visitor.context.set_offline(True)
    expect(page.locator("#trouble")).to_contain_text("The server does not answer")
    visitor.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()  # which is without it too
    expect(page.locator("#set-title")).to_have_text("12 photos")
    expect(page.locator("#wrong-title")).to_have_text("2 photos could not be read")
    named = page.locator("#wrong li", has_text="large.jpg")
    expect(named).to_contain_text("at most 20 MB are read")
    named.scroll_into_view_if_needed()
    visitor.look("set-left-out")
    with Client(visitor.url) as client:
        stored = client.get_set(page.url.split("/")[-1]).images
    assert [image.filename for image in stored] == [photo.name for photo in photos]


def test_photos_that_are_all_too_large_are_not_sent(visitor: Visitor, large: Path) -> None:
    page = visitor.open("/sets")
    page.set_input_files(CHOOSE, [large])
    expect(page.locator("#trouble")).to_contain_text("The photo has 20 MB; at most 20 MB are read.")
    page.set_input_files(CHOOSE, [large] * 2)
    expect(page.locator("#trouble")).to_contain_text("All 2 photos are too large")
    expect(page.locator("#home")).to_be_visible()


def test_a_part_that_the_server_got_and_did_not_answer_is_in_the_set_once(
    site: Site, visit: Callable[[Site, str], Visitor], photos: list[Path]
) -> None:
    """The first try is still being labelled when the page asks what is there and sends it again."""
    visitor = visit(site, "desktop")
    visitor.forgiven += ["ERR_FAILED", "status of 409"]
    page = visitor.open("/sets")
    page.route(re.compile(PART), lambda route: route.abort(), times=1)
    page.set_input_files(CHOOSE, photos)
    expect(page.locator("#trouble")).to_contain_text("The server does not answer")
    name = page.url.split("/")[-1]
    with Client(site.url) as client:

        def be_late(route: Route) -> None:
            assert len(client.extend_set(name, photos[8:]).images) == 12
            route.continue_()

        page.route(re.compile(PART), be_late, times=1)
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#set-title")).to_have_text("12 photos")
        stored = client.get_set(name).images
    assert [image.filename for image in stored] == [photo.name for photo in photos]


def test_pictures_are_kept_as_they_are_named(visitor: Visitor, photos: list[Path]) -> None:
    page = visitor.open("/sets")
    kept = """() => import("/static/previews.js").then(({ recentSets }) => recentSets())
        .then(([set]) => set?.previews.length)"""
    with visitor.held(PART):
        page.set_input_files(CHOOSE, photos)
        expect(page.locator("#going-note")).to_have_text("8 of 12 named")
        wait_for(lambda: page.evaluate(kept) == 8)
    expect(page.locator("#set-title")).to_have_text("12 photos")
    wait_for(lambda: page.evaluate(kept) == 12)


def test_who_skips_to_the_content_stops_nothing(
    site: Site, visit: Callable[[Site, str], Visitor], photos: list[Path]
) -> None:
    visitor = visit(site, "desktop")
    page = visitor.open("/sets")
    with visitor.held(PART):
        page.set_input_files(CHOOSE, photos)
        expect(page.locator("#going-note")).to_have_text("8 of 12 named")
        page.locator(".skip").press("Enter")
        expect(page.locator("main")).to_be_focused()
        expect(page.locator("#going")).to_be_visible()
    expect(page.locator("#set-title")).to_have_text("12 photos")


def test_a_photo_that_is_gone_by_now_is_said_where_it_is_asked_about(
    site: Site, visit: Callable[[Site, str], Visitor], photo: Path
) -> None:
    visitor = visit(site, "desktop")
    page = send(visitor, [photo])
    photo.unlink()
    page.locator("#images button.card").click()
    page.wait_for_url("**/?photo=*")
    expect(page.locator("#trouble")).to_contain_text("Choose it again.")
