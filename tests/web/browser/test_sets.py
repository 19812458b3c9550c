"""What is in these photos, as people ask it, on a desktop and on a phone."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from ...pictures import encoded, picture
from ..serving import wait_for
from .sending import send, tiles
from .site import Site
from .visitor import Visitor


def kept(page: Page) -> int:
    """How many pictures of the set that is shown this browser keeps."""
    script = """id => import("/static/previews.js")
        .then(({ previewsOf }) => previewsOf(id)).then((previews) => previews.length)"""
    return int(page.evaluate(script, page.url.split("/")[-1]))


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
    wait_for(lambda: kept(page) == 12)
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


def test_what_is_transparent_is_white_after_a_reload_too(
    site: Site, visit: Callable[[Site, str], Visitor], tmp_path: Path
) -> None:
    visitor = visit(site, "desktop")
    cut_out = Pillow.new("RGBA", (90, 120))
    cut_out.paste(picture(), (15, 20))
    (tmp_path / "tee.png").write_bytes(encoded(cut_out))
    page = send(visitor, [tmp_path / "tee.png"])
    wait_for(lambda: kept(page) == 1)
    page.reload()
    corner = page.locator("#images img").evaluate(
        """async (image) => {
            await image.decode();
            const pen = new OffscreenCanvas(1, 1).getContext("2d");
            pen.drawImage(image, 0, 0);
            return [...pen.getImageData(0, 0, 1, 1).data];
        }"""
    )
    assert corner == [255, 255, 255, 255]


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
