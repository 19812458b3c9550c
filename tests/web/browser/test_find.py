"""Find similar, as people do it, on a desktop and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from .finding import CHOOSE, answered, ask_about, cards
from .site import Site
from .visitor import Visitor


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


def test_a_surprise_that_comes_late_changes_nothing(
    site: Site, visit: Callable[[Site, str], Visitor], photo: Path
) -> None:
    visitor = visit(site, "desktop")
    page = visitor.open("/")
    with visitor.held("garments/random"):
        with page.expect_request(re.compile("garments/random")):
            page.locator("#home [data-random]").click()
        page.set_input_files(CHOOSE, photo)
        answered(page)
        asked = page.url
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(200)
    assert page.url == asked


def test_pictures_that_are_refused_under_load_are_asked_for_again(
    site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    visitor = visit(site, "desktop")
    visitor.forgiven.append("status of 503")
    refused = set()

    def refuse(route: Route) -> None:
        """Each at first; those of garments with an odd id always."""
        address = route.request.url
        odd = int(re.findall(r"garments/(\d+)/", address)[0]) % 2
        if odd or address not in refused:
            refused.add(address)
            route.fulfill(status=503)
        else:
            route.continue_()

    visitor.page.route(re.compile("/image"), refuse)
    for path, gallery in (("/", "#home"), ("/?garment=2&label=any", "#matches")):
        refused.clear()
        page = visitor.open(path)
        shown = page.locator(f"{gallery} a.card")
        shown.last.scroll_into_view_if_needed()
        page.wait_for_function(
            """gallery => [...document.querySelectorAll(`${gallery} a.card`)].every((card) =>
                card.querySelector(".blank") || card.querySelector("img").naturalWidth)""",
            arg=gallery,
        )
        tiles = shown.evaluate_all(
            "all => all.map((card) => [card.search, card.querySelector('.blank')?.textContent])"
        )
        for address, name in tiles:
            odd = int(address.removeprefix("?garment=")) % 2
            assert name.endswith(".jpg") if odd else name is None


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
