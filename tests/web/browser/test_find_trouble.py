"""Find similar where something is missing: a garment, a connection, a photo, a catalog."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ...pictures import encoded, picture
from .finding import CHOOSE, answered, ask_about
from .site import Site
from .visitor import SIZES, Visitor


def test_a_lost_connection_is_said_and_the_question_asked_again(
    visitor: Visitor, photo: Path
) -> None:
    visitor.forgiven.append("ERR_INTERNET_DISCONNECTED")
    page = visitor.open("/")
    visitor.context.set_offline(True)
    page.set_input_files(CHOOSE, photo)
    expect(page.locator("#trouble")).to_contain_text("The server does not answer")
    visitor.look("lost")
    visitor.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    answered(page)
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_file_that_is_no_photo_gets_its_reason(visitor: Visitor, tmp_path: Path) -> None:
    visitor.forgiven.append("status of 422")
    (tmp_path / "notes.jpg").write_text("not a picture")
    page = visitor.open("/")
    page.set_input_files(CHOOSE, tmp_path / "notes.jpg")
    expect(page.locator("#trouble")).to_contain_text("The bytes are not an image.")
    expect(page.locator("#query-image")).to_have_text("Your browser cannot show this photo")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    visitor.look("no-photo")


def test_a_photo_that_is_too_large_is_not_sent(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(20_000_001))
    page = visitor.open("/")
    page.set_input_files(CHOOSE, tmp_path / "large.jpg")
    expect(page.locator("#trouble")).to_contain_text("at most 20 MB are read")
    assert page.url.endswith("/")


def test_a_photo_stays_in_its_browser(visitor: Visitor) -> None:
    page = visitor.open("/?photo=0123456789abcdef")
    expect(page.locator("#trouble")).to_contain_text("no longer here")
    expect(page.get_by_text("Choose a photo")).to_be_visible()


def test_a_garment_that_was_removed_meanwhile_leads_to_the_start(visitor: Visitor) -> None:
    visitor.forgiven.append("status of 404")
    page = visitor.open("/?garment=999999")
    expect(page.locator("#trouble")).to_contain_text("Garment 999999 is no longer in the catalog.")
    expect(page.get_by_text("Choose a photo")).to_be_visible()
    visitor.look("garment-gone")
    page.locator("#home a.card").first.click()
    answered(page)
    expect(page.locator("#trouble")).to_be_hidden()


@pytest.mark.parametrize("size", SIZES)
def test_an_empty_catalog_says_so_and_labels_all_the_same(
    empty_site: Site, visit: Callable[[Site, str], Visitor], size: str, tmp_path: Path
) -> None:
    visitor = visit(empty_site, size)
    visitor.forgiven.append("status of 404")
    page = visitor.open("/")
    expect(page.get_by_text("The catalog is still empty")).to_be_visible()
    visitor.look("empty")
    expect(page.get_by_role("link", name="Catalog").last).to_have_attribute("href", "/catalog")
    (tmp_path / "a.jpg").write_bytes(encoded(picture(300, 400), "JPEG"))
    page.set_input_files(CHOOSE, tmp_path / "a.jpg")
    expect(page.locator("#query-note")).to_contain_text("% sure")
    expect(page.locator("#matches-title")).to_have_text("The catalog is still empty")
    visitor.look("empty-answered")
    expect(page.locator("[data-random]")).to_have_count(0)  # nothing to be surprised by


def test_a_photo_that_is_gone_by_now_is_said(
    site: Site, visit: Callable[[Site, str], Visitor], photo: Path
) -> None:
    visitor = visit(site, "desktop")
    visitor.forgiven.append("ERR_")
    page = ask_about(visitor, photo)
    photo.unlink()
    page.get_by_role("button", name="All categories").click()
    expect(page.locator("#trouble")).to_contain_text("can no longer be read")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#trouble")).to_be_hidden()
    page.click("#crop")
    page.get_by_role("button", name="Use this part").click()
    expect(page.locator("#trouble")).to_contain_text("can no longer be read")
    expect(page.locator("#method")).to_have_text("")
    expect(page.get_by_text("Choose a photo")).to_be_visible()


def test_a_garment_without_its_picture_is_told_from_a_photo_that_the_browser_cannot_show(
    site: Site, visit: Callable[[Site, str], Visitor], photo: Path
) -> None:
    visitor = visit(site, "desktop")
    visitor.forgiven.append("status of 404")
    with visitor.held("width=640") as waiting:
        page = visitor.page
        page.goto("/?garment=1", wait_until="commit")  # it is loaded with that picture only
        answered(page)
        page.locator("#find input[data-take]").first.set_input_files(photo)
        expect(page).to_have_url(re.compile("photo="))
        answered(page)
        waiting.pop().fulfill(status=404)
        page.wait_for_timeout(200)
        expect(page.get_by_role("button", name="Crop")).to_be_visible()
    page.route("**/image?width=640", lambda route: route.fulfill(status=404))
    page.goto("/?garment=2")
    expect(page.locator("#query-image")).to_have_text("The picture cannot be shown")
