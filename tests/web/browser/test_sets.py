"""What is in these photos, as people ask it, on a desktop and on a phone."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from service.client import Client

from ..serving import wait_for
from .site import Site
from .visitor import Visitor

PART = r"/api/v1/sets/.*/images$"  # a further one of a set
CHOOSE = "#home input[multiple]:not([webkitdirectory])"


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> list[Path]:
    """Eleven drawn garments, and a text that says that it is a photo."""
    broken = tmp_path / 'not, a "photo".jpg'
    broken.write_text("no picture")
    return [*sorted(drawn.rglob("*.jpg"))[::3], broken]


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


def test_photos_are_labelled_and_counted(visitor: Visitor, photos: list[Path]) -> None:
    page = visitor.open("/sets")
    visitor.look("sets")
    page = send(visitor, photos)
    expect(page.locator("#set-title")).to_be_focused()
    expect(page.locator("#set-title")).to_have_text("12 photos")
    expect(page.locator("#wrong li")).to_have_text(
        [re.compile('not, a "photo".jpg.*The bytes are not an image.')]
    )
    counted = Counter(label for label in tiles(page) if label != "No garment")
    bars = page.locator("#top button").all_inner_texts()
    assert len(bars) == len(counted)
    for bar in bars:
        label, number = bar.split("\n")
        count, share = re.fullmatch(r"(\d+) · (\d+)\s%", number.strip()).groups()
        assert (int(count), int(share)) == (
            counted[label],
            round(100 * counted[label] / counted.total()),
        )
    page.locator("#images img").first.evaluate("image => image.decode()")
    visitor.look("set")


def test_a_bar_shows_its_photos_alone(visitor: Visitor, photos: list[Path]) -> None:
    page = send(visitor, photos)
    before = tiles(page)
    bar = page.locator("#top button").first
    label = bar.get_attribute("data-label")
    bar.click()
    assert tiles(page) == [each for each in before if each == label]
    expect(page.locator("#top button").first).to_be_focused()
    page.reload()
    expect(page.locator("#images-title")).to_have_text(label or "")
    page.locator("#top button").first.click()
    assert tiles(page) == before


def test_a_reload_shows_the_pictures_again_and_others_see_names(
    visitor: Visitor, site: Site, visit: Callable[[Site, str], Visitor], photos: list[Path]
) -> None:
    page = send(visitor, photos)
    kept = """id => import("/static/previews.js")
        .then(({ previewsOf }) => previewsOf(id)).then((previews) => previews.length)"""
    wait_for(lambda: page.evaluate(kept, page.url.split("/")[-1]) == 12)
    with visitor.held("/api/v1/sets/"):
        page.reload()
        expect(page.get_by_role("heading", name="Looking…")).to_be_visible()
        visitor.look("set-waiting")
    expect(page.locator("#images img")).to_have_count(11)
    expect(page.locator("#kept-note")).to_contain_text("Only this browser shows the pictures")
    somebody = visit(site, visitor.size)
    other = somebody.open(page.url)
    expect(other.locator("#kept-note")).to_contain_text("Pictures are not kept on the server.")
    expect(other.locator("#images .blank")).to_have_count(11)
    expect(other.locator("#images .blank").first).to_have_text(photos[0].name)
    other.locator("#photo-by-photo").scroll_into_view_if_needed()
    somebody.look("set-to-others")
    assert page.locator("#top").inner_text() == other.locator("#top").inner_text()
    page.goto("/sets")
    recent = page.locator("#recent-sets a")
    expect(recent).to_have_count(1)
    visitor.look("recent-sets")
    recent.click()
    expect(page.locator("#set-title")).to_have_text("12 photos")


def test_the_address_is_copied(visitor: Visitor, photos: list[Path]) -> None:
    if visitor.size == "phone":  # there the system's own way of sharing takes over
        visitor.page.add_init_script(
            "navigator.share = async ({ url }) => { window.shared = url; }"
        )
    else:
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = send(visitor, photos[:1])
    page.click("#share")
    if visitor.size == "phone":
        page.wait_for_function("window.shared")
        assert page.evaluate("window.shared") == page.url
    else:
        expect(page.locator("#toasts")).to_contain_text("The address is copied.")
        assert page.evaluate("navigator.clipboard.readText()") == page.url
        visitor.look("shared")


def test_the_table_is_saved(visitor: Visitor, photos: list[Path]) -> None:
    page = send(visitor, photos)
    with page.expect_download() as download:
        page.click("#csv")
    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert re.fullmatch(r"set-[0-9a-f]{8}\.csv", download.value.suggested_filename)
    assert [row["filename"] for row in rows] == [photo.name for photo in photos]
    assert [row["label"] for row in rows[:-1]] == tiles(page)
    assert rows[-1] == {
        "filename": 'not, a "photo".jpg',
        "label": "",
        "confidence": "",
        "error": "The bytes are not an image.",
    }


def test_a_photo_leads_to_garments_like_it_and_back(visitor: Visitor, photos: list[Path]) -> None:
    page = send(visitor, photos)
    address = page.url
    label = tiles(page)[0]
    page.locator("#images button.card").first.click()
    page.wait_for_url("**/?photo=*")
    expect(page.locator("#query-label")).to_have_text(label)
    page.go_back()
    expect(page.locator("#set-title")).to_have_text("12 photos")
    assert page.url == address


def test_a_set_is_forgotten(visitor: Visitor, photos: list[Path]) -> None:
    visitor.forgiven.append("status of 404")
    page = send(visitor, photos[:2])
    address = page.url
    page.click("#forget")
    expect(page.locator("#toasts")).to_have_text("The set is forgotten.")
    page.goto(address)
    expect(page.locator("#trouble")).to_contain_text("There is no set")
    expect(page.locator("#home")).to_be_visible()


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
        expect(page.locator("#recent-sets a")).to_have_count(1)
        assert asks_before_it_is_left(page)
    expect(page.locator("#toasts")).to_contain_text("16 of 24 photos were sent")
    expect(page.locator("#recent-sets a")).to_have_count(2)
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


def test_too_many_photos_are_not_sent(visitor: Visitor, photos: list[Path]) -> None:
    page = visitor.open("/sets")
    page.set_input_files(CHOOSE, photos[:1] * 201)
    expect(page.locator("#trouble")).to_contain_text("at most 200 make a set")
