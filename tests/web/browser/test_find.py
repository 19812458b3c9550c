"""Find similar, as people do it, on a desktop and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, Route, expect

from ...pictures import encoded, picture
from .site import Site
from .visitor import SIZES, Visitor

CHOOSE = "#home input[data-take] >> nth=0"


@pytest.fixture
def photo(tmp_path: Path, drawn: Path) -> Path:
    """A drawn dress that the catalog does not have: its bytes are others."""
    file = tmp_path / "my dress.jpg"
    file.write_bytes(next(drawn.rglob("*dress*.jpg")).read_bytes() + b"\0")
    return file


def cards(page: Page) -> int:
    return page.locator("#matches a.card").count()


def answered(page: Page) -> None:
    """Wait until the newest answer is drawn."""
    page.locator("#find[aria-busy=false] #matches a.card >> nth=0").wait_for()


def size_of_asked(page: Page) -> list[int]:
    """Width and height of the picture that is asked about."""
    return page.locator("#query-image").evaluate(
        "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    )


def ask_about(visitor: Visitor, photo: Path) -> Page:
    page = visitor.open("/")
    page.set_input_files(CHOOSE, photo)
    answered(page)
    return page


def test_the_first_page_offers_ways_to_ask(visitor: Visitor) -> None:
    page = visitor.open("/")
    assert page.locator(".card").count() == 12
    expect(page.get_by_text("Choose a photo")).to_be_visible()
    expect(page.get_by_text("Take a photo").first).to_be_visible(visible=visitor.size == "phone")
    assert page.locator("input[capture=environment]").count() == 2
    visitor.look("home")


def test_a_photo_is_answered_with_garments_of_its_category(visitor: Visitor, photo: Path) -> None:
    page = ask_about(visitor, photo)
    label = page.inner_text("#query-label")
    assert re.fullmatch(r"\d+\s% sure", page.inner_text("#query-note"))
    chips = page.locator("#labels button")
    assert chips.count() == 4  # its own, the next two, all
    expect(chips.first).to_have_attribute("aria-pressed", "true")
    assert re.search(r"\d+\s%", chips.nth(1).inner_text())
    assert set(page.locator("#matches .caption > span:first-child").all_inner_texts()) == {label}
    numbers = [float(text) for text in page.locator("#matches .number").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert "every one compared" in page.inner_text("#method")
    expect(page.locator("#query-label")).to_be_focused()
    visitor.look("similar")


def test_pictures_are_sized_for_the_grid_and_wait_to_be_seen(visitor: Visitor) -> None:
    page = visitor.open("/?garment=1&label=any&n=32")
    answered(page)
    image = page.locator("#matches img").first
    image.evaluate("image => image.decode()")
    assert re.search(r"width=(240|480)$", image.evaluate("image => image.currentSrc"))
    how = page.locator("#matches img").evaluate_all("images => images.map(image => image.loading)")
    assert how == ["eager"] * 6 + ["lazy"] * (len(how) - 6)
    assert len(how) == 32
    waiting = "images => images.filter(image => !image.currentSrc).length"
    assert page.locator("#matches img").evaluate_all(waiting) > 0 or visitor.size == "desktop"


def test_a_guess_is_a_button_that_searches_there(visitor: Visitor, photo: Path) -> None:
    page = ask_about(visitor, photo)
    guess = page.locator("#labels button").nth(1)
    label = guess.inner_text().split("\n")[0].split()[0]
    guess.click()
    expect(page.locator("#matches-title")).to_have_text(f"Most like it in {label}")
    expect(page.locator("#labels button").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#labels button").nth(1)).to_be_focused()
    page.get_by_role("button", name="All categories").click()
    expect(page.locator("#matches-title")).to_have_text("Most like it in all categories")
    page.select_option("#other", "Hoodie")
    expect(page.locator("#matches-title")).to_have_text("Most like it in Hoodie")
    page.go_back()
    page.go_back()
    expect(page.locator("#matches-title")).to_have_text(f"Most like it in {label}")
    assert f"label={label}" in page.url


def test_each_picture_is_a_new_question_and_back_leads_to_the_one_before(
    visitor: Visitor, photo: Path
) -> None:
    page = ask_about(visitor, photo)
    asked, label = page.url, page.inner_text("#query-label")
    first = page.locator("#matches a.card").first
    garment = first.get_attribute("data-garment")
    first.click()
    expect(page.locator("#query-note")).to_contain_text(f"Garment {garment}")
    assert page.url.endswith(f"/?garment={garment}")
    page.reload()
    expect(page.locator("#query-note")).to_contain_text(f"Garment {garment}")
    page.go_back()
    expect(page.locator("#query-label")).to_have_text(label)
    assert page.url == asked
    page.reload()  # the photo is still in this browser
    answered(page)
    expect(page.locator("#query-label")).to_have_text(label)
    page.go_forward()
    expect(page.locator("#query-note")).to_contain_text(f"Garment {garment}")


def test_sliders_say_how_many_and_how_similar(visitor: Visitor) -> None:
    page = visitor.open("/?garment=1&label=any")
    answered(page)
    assert cards(page) == 24
    if visitor.size == "phone":
        page.get_by_text("Refine").click()
    page.focus("#n")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#matches a.card")).to_have_count(20)
    expect(page.locator("#n")).to_be_focused()
    assert "n=20" in page.url
    page.locator("#min").fill("0.99")
    expect(page.locator("#none")).to_be_visible()
    visitor.look("nothing-so-similar")
    page.get_by_role("button", name="Show less similar ones").click()
    expect(page.locator("#matches a.card")).to_have_count(20)


def test_surprise_me_shows_a_garment_and_what_is_like_it(visitor: Visitor) -> None:
    page = visitor.open("/")
    page.locator("#home [data-random]").click()
    expect(page.locator("#query-note")).to_contain_text("Garment")
    assert "garment=" in page.url
    expect(page.locator("#crop")).to_be_hidden()
    visitor.look("garment")


def test_a_photo_is_cropped_by_pointer_and_by_keys(visitor: Visitor, photo: Path) -> None:
    page = ask_about(visitor, photo)
    page.click("#crop")
    stage = page.locator(".stage").bounding_box()
    assert stage is not None
    x, y, width, height = stage["x"], stage["y"], stage["width"], stage["height"]
    page.mouse.move(x + 0.02 * width, y + 0.02 * height)
    page.mouse.down()
    page.mouse.move(x + 0.5 * width, y + 0.6 * height, steps=4)
    page.mouse.up()
    expect(page.locator("#crop-said")).to_have_text("48 % of the width, 58 % of the height")
    page.get_by_role("button", name="Bottom right corner").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#crop-said")).to_have_text("58 % of the width, 59 % of the height")
    page.locator(".frame").focus()
    page.keyboard.press("Shift+ArrowLeft")  # as far as the edge
    visitor.look("crop")
    whole = size_of_asked(page)
    page.get_by_role("button", name="Use this part").click()
    page.wait_for_url("**crop=0%2C0.02%2C0.58%2C0.61*")
    answered(page)
    cut = size_of_asked(page)
    assert cut == pytest.approx([0.58 * whole[0], 0.59 * whole[1]], abs=1)
    page.click("#crop")
    page.get_by_role("button", name="Whole photo").click()
    expect(page).not_to_have_url(re.compile("crop="))
    page.go_back()
    expect(page).to_have_url(re.compile("crop="))


def test_a_photo_that_a_phone_turned_is_cropped_as_it_is_shown(
    visitor: Visitor, tmp_path: Path
) -> None:
    file = tmp_path / "turned.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = 6  # a quarter turn
    file.write_bytes(encoded(picture(400, 300), "JPEG", exif=exif))
    page = ask_about(visitor, file)
    assert size_of_asked(page) == [300, 400]
    page.goto(f"{page.url}&crop=0,0,0.5,0.25")
    answered(page)
    assert size_of_asked(page) == [150, 100]


def test_a_photo_is_cropped_before_the_answer_is_there(visitor: Visitor, photo: Path) -> None:
    page = visitor.open("/")
    with visitor.held(r"/api/v1/similar"):
        page.set_input_files(CHOOSE, photo)
        page.locator("#query-label", has_text="Looking…").wait_for()
        page.wait_for_timeout(2000)  # a slow answer
        assert page.locator("#matches .waiting").count() == 12
        visitor.look("slow")
        page.click("#crop")
        page.get_by_role("button", name="Use this part").click()
        page.wait_for_url("**crop=*")
    answered(page)
    page.go_back()
    expect(page).not_to_have_url(re.compile("crop="))
    answered(page)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_is_dropped_or_pasted(visitor: Visitor, photo: Path, way: str) -> None:
    page = visitor.open("/")
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "a.jpg", { type: "image/jpeg" }));
            return transfer;
        }""",
        list(photo.read_bytes()),
    )
    if way == "drop":
        page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
        expect(page.locator("body")).to_have_class("dragging")
        page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    else:
        page.evaluate(
            "data => document.dispatchEvent("
            "new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))",
            transfer,
        )
    answered(page)
    assert "photo=" in page.url


def test_a_photo_without_a_garment_is_met_kindly(visitor: Visitor, photo: Path) -> None:
    def unrecognised(route: Route) -> None:
        """What the API says of a photo that is unlike all that the network knows."""
        document = httpx.post(route.request.url, files={"image": photo.read_bytes()}).json()
        if "label=auto" in route.request.url:
            document |= {"matches": [], "searched_labels": [], "returned": 0}
        document["query"] |= {"recognised": False, "label": None}
        route.fulfill(json=document)

    visitor.page.route("**/api/v1/similar*", unrecognised)
    page = visitor.open("/")
    page.set_input_files(CHOOSE, photo)
    expect(page.locator("#query-label")).to_have_text("No garment recognised")
    assert page.locator("#labels button").count() == 4
    assert page.locator("#labels [aria-pressed=true]").count() == 0
    visitor.look("unrecognised")
    page.get_by_role("button", name="Show the nearest anyway").click()
    expect(page.locator("#matches-title")).to_have_text("Most like it in all categories")
    assert cards(page) == 24


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


@pytest.mark.parametrize("size", SIZES)
def test_an_empty_catalog_says_so_and_labels_all_the_same(
    empty_site: Site, visit: Callable[[Site, str], Visitor], size: str, tmp_path: Path
) -> None:
    visitor = visit(empty_site, size)
    visitor.forgiven.append("status of 404")
    page = visitor.open("/")
    expect(page.get_by_text("The catalog is still empty")).to_be_visible()
    visitor.look("empty")
    (tmp_path / "a.jpg").write_bytes(encoded(picture(300, 400), "JPEG"))
    page.set_input_files(CHOOSE, tmp_path / "a.jpg")
    expect(page.locator("#query-note")).to_contain_text("% sure")
    expect(page.locator("#matches-title")).to_have_text("The catalog is still empty")
    page.go_back()
    page.locator("#home [data-random]").click()
    expect(page.locator("#trouble")).to_be_visible()
