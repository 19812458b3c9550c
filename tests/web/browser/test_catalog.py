"""The catalog, as people browse it and change it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from service.catalog import Row
from service.client import ApiError, Client

from ...pictures import encoded, picture
from .site import Opening, Site, pictures_of
from .visitor import SIZES, Visitor

CHOOSE = "input[multiple]:not([webkitdirectory])"
MANY = 120  # garments: more than two pages of the list


@pytest.fixture(scope="module")
def own(
    opening: Opening, drawn: Path, rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site that these tests change; the first 33 of its garments have pictures of their own."""
    root = pictures_of(drawn, tmp_path_factory.mktemp("own") / "pictures")
    more = [
        replace(rows[i % 33], image_path=f"winter/{i:03}.jpg", label_source="predicted")
        for i in range(MANY - 33)
    ]
    (root / "winter").mkdir()
    for i, row in enumerate(more):
        (root / row.image_path).symlink_to(root / rows[i % 33].image_path)
    gone = replace(rows[0], image_path="gone.jpg", label_source="predicted")
    with opening(root, [*rows, *more, gone]) as site:
        yield site


@pytest.fixture(params=SIZES)
def at_own(
    request: pytest.FixtureRequest, own: Site, visit: Callable[[Site, str], Visitor]
) -> Visitor:
    visitor = visit(own, request.param)
    visitor.forgiven.append("404.*/image")  # of gone.jpg
    return visitor


def cards(page: Page) -> int:
    return page.locator("#garments .card").count()


def test_the_list_goes_on_to_its_end_and_comes_back_where_one_left_it(at_own: Visitor) -> None:
    page = at_own.open("/catalog")
    assert cards(page) == 48
    at_own.look("catalog")
    for _ in range(20):
        page.mouse.wheel(0, 3000)
        page.wait_for_timeout(150)
        if page.locator("#all").is_visible():
            break
    expect(page.locator("#all")).to_be_visible()
    total = page.locator("#garments .card").evaluate_all(
        "all => all.map((card) => Number(card.dataset.garment))"
    )
    assert len(total) >= MANY + 1
    assert total == sorted(set(total), reverse=True)

    page.locator("#garments .card").nth(100).scroll_into_view_if_needed()
    there = page.evaluate("scrollY")
    page.locator("#garments .card").nth(100).click()
    page.locator("#near .card[href]").first.wait_for()
    page.locator("[data-back]").click()
    page.wait_for_url("**/catalog")
    page.locator("#garments .card").nth(len(total) - 1).wait_for()
    for _ in range(50):
        if abs(page.evaluate("scrollY") - there) < 300:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the list is at {page.evaluate('scrollY')}, and was left at {there}")


def test_filters_show_what_meets_all_of_them(at_own: Visitor) -> None:
    page = at_own.open("/catalog")
    page.get_by_label("Category").select_option("Dress")
    page.wait_for_url("**/catalog?label=Dress")
    page.get_by_label("Where the label is from").select_option("predicted")
    page.wait_for_url(re.compile("label_source=predicted"))
    page.get_by_label("Text in the path").fill("WINTER/")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url(re.compile("q=WINTER"))
    assert 0 < cards(page) < 20
    labels = page.locator("#garments .caption span:first-child").all_inner_texts()
    assert set(labels) == {"Dress"}
    page.get_by_label("Text in the path").fill("nowhere")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No garment is like that")).to_be_visible()
    at_own.look("catalog-none")
    page.get_by_role("link", name="Clear all", exact=True).click()
    page.wait_for_url("**/catalog")
    assert cards(page) == 48


def test_filters_work_on_after_a_search_that_does_not_leave_the_page(
    own: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    visitor = visit(own, "desktop")
    page = visitor.open("/catalog")
    page.route(re.compile(r"/catalog\?"), lambda route: route.fulfill(status=204))  # one stays
    with page.expect_response(re.compile("label=Dress$")):
        page.get_by_label("Category").select_option("Dress")
    page.unroute_all()
    page.get_by_label("Text in the path").fill("winter")
    page.keyboard.press("Enter")
    page.wait_for_url("**/catalog?label=Dress&q=winter")


def test_conditions_of_a_chart_are_shown_and_can_be_taken_away(at_own: Visitor) -> None:
    page = at_own.open("/catalog?label=Dress&max_confidence=0.5&order=oldest")
    chip = page.get_by_role("link", name="Without: network at most 50 % sure")
    expect(chip).to_be_visible()
    at_own.look("catalog-chips")
    chip.click()
    page.wait_for_url(re.compile("label=Dress"))
    assert "max_confidence" not in page.url
    assert page.get_by_label("Order").input_value() == "oldest"


def test_a_list_whose_connection_is_lost_says_so_and_goes_on(at_own: Visitor) -> None:
    at_own.forgiven.append("ERR_|Failed to load resource")
    page = at_own.open("/catalog")
    page.route(re.compile("cursor="), lambda route: route.abort())
    page.mouse.wheel(0, 9000)
    page.locator("#trouble").get_by_text("The server does not answer").wait_for()
    expect(page.locator("#trouble")).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") > 1000  # one stays where one was
    at_own.look("catalog-lost")
    page.unroute(re.compile("cursor="))
    page.get_by_role("button", name="Try again").click()
    page.locator("#garments .card").nth(48).wait_for()


def test_a_garment_gets_another_label(at_own: Visitor, own: Site) -> None:
    garment = 40 if at_own.size == "desktop" else 41
    with Client(own.url) as client:
        was = client.garment(garment).label
    page = at_own.open(f"/garments/{garment}")
    page.locator("#near .card[href]").first.wait_for()
    at_own.look("garment")
    page.get_by_label("Its label").select_option("Romper" if was != "Romper" else "Tee")
    page.locator(".toast").wait_for()
    expect(page.locator("h1")).to_have_text("Romper" if was != "Romper" else "Tee")
    expect(page.locator("#source-said")).to_have_text("given label")
    with Client(own.url) as client:
        assert client.garment(garment).label_source == "given"
    page.get_by_role("button", name="In all").click()
    expect(page.get_by_role("button", name="In all")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#near .card[href]")).to_have_count(12)


def test_neighbours_are_those_that_were_asked_for_last(
    own: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    visitor = visit(own, "desktop")
    page = visitor.page
    with visitor.held("/similar") as waiting:
        visitor.open("/garments/42")
        for label in ("Romper", "Tee"):
            page.get_by_label("Its label").select_option(label)
            expect(page.locator("h1")).to_have_text(label)
        while len(waiting) < 3:
            page.wait_for_timeout(20)
        first, _, last = waiting
        last.fulfill(json=last.fetch().json() | {"matches": []})
        expect(page.locator("#near-none")).to_have_text("There is no other in its category.")
        with suppress(Error):  # the page gave it up
            first.fulfill(status=503)
        page.wait_for_timeout(200)
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#near-none")).to_be_visible()


def test_a_removal_is_taken_back_or_done_when_the_page_is_left(at_own: Visitor, own: Site) -> None:
    garment = 50 if at_own.size == "desktop" else 51
    page = at_own.open(f"/garments/{garment}")
    page.locator("#near .card[href]").first.wait_for()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#garment")).to_have_class(re.compile("going"))
    page.locator(".toast").wait_for()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#garment")).not_to_have_class(re.compile("going"))
    with Client(own.url) as client:
        page.get_by_role("button", name="Remove").click()
        page.locator(".skip").press("Enter")  # which leaves nothing
        page.get_by_role("button", name="Undo").click()
        assert client.garment(garment).id == garment
        page.get_by_role("button", name="Remove").click()
        with at_own.held(f"/api/v1/garments/{garment}$"):
            page.locator("[data-back]").click()
            expect(page.locator(".toast")).to_have_count(0)  # it is too late for Undo
        page.wait_for_url("**/catalog")
        with pytest.raises(ApiError, match="no garment"):
            client.garment(garment)


def test_a_removal_is_done_when_the_tab_is_closed(at_own: Visitor, own: Site) -> None:
    garment = 60 if at_own.size == "desktop" else 61
    page = at_own.open(f"/garments/{garment}")
    page.locator("#near .card[href]").first.wait_for()
    page.get_by_role("button", name="Remove").click()
    page.goto("about:blank")
    with Client(own.url) as client:
        for _ in range(50):
            if garment not in {found.id for found in client.garments()}:
                return
            page.wait_for_timeout(100)
    pytest.fail("the garment is still there")


def test_photos_are_added_with_their_progress(at_own: Visitor, tmp_path: Path) -> None:
    at_own.forgiven.append(
        "Failed to load resource.*api/v1/garments"
    )  # of the one that is no photo
    seed = 10 if at_own.size == "desktop" else 20
    for i in range(4):
        (tmp_path / f"{i}.jpg").write_bytes(encoded(picture(90, 120, seed + i), "JPEG"))
    (tmp_path / "again.jpg").write_bytes((tmp_path / "0.jpg").read_bytes())
    (tmp_path / "text.jpg").write_text("hello")
    page = at_own.open("/catalog")
    with at_own.held("/api/v1/garments$"):
        page.locator(CHOOSE).set_input_files(sorted(tmp_path.iterdir()))
        expect(page.get_by_role("heading", name="Adding 6 photos")).to_be_visible()
        at_own.look("adding")
    expect(page.get_by_role("heading", name="4 photos added")).to_be_visible()
    expect(page.locator("#adding-wrong li")).to_have_count(1)
    expect(page.locator("#adding-wrong")).to_contain_text("text.jpg")
    expect(page.locator("#adding-done .card")).to_have_count(5)
    expect(page.locator("#adding-note")).to_contain_text("1 there already · 1 not taken")
    at_own.look("added")
    page.get_by_role("link", name="Show them in the catalog").click()
    page.wait_for_url("**/catalog")
    assert page.locator("#garments .card img").first.evaluate("image => image.loading") == "eager"


def test_a_folder_or_photos_get_the_label_that_was_chosen(at_own: Visitor, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    photo = folder / f"{at_own.size}.png"
    photo.write_bytes(encoded(picture(80, 100, 77 if at_own.size == "desktop" else 78)))
    (folder / "notes.txt").write_text("no picture, and so left where it is")
    page = at_own.open("/catalog")
    page.get_by_label("New photos show").select_option("Blazer")
    expect(page.get_by_text("Add a folder")).to_be_visible()
    page.locator("input[webkitdirectory]").set_input_files(folder)
    expect(page.get_by_role("heading", name="1 photo added")).to_be_visible()
    expect(page.locator("#adding-done .caption")).to_contain_text("Blazer")
    expect(page.locator("#adding-done .number")).to_have_text("given")


def test_adding_goes_on_after_a_lost_connection_and_can_be_stopped(
    at_own: Visitor, tmp_path: Path
) -> None:
    at_own.forgiven.append("ERR_|Failed to load")
    seed = 30 if at_own.size == "desktop" else 40
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(encoded(picture(90, 120, seed + i), "JPEG"))
    photos = sorted(tmp_path.iterdir())
    page = at_own.open("/catalog")
    lost = re.compile("/api/v1/garments$")
    page.route(lost, lambda route: route.abort())
    page.locator(CHOOSE).set_input_files(photos[:3])
    page.locator("#trouble").get_by_text("The server does not answer").wait_for()
    page.unroute(lost)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="3 photos added")).to_be_visible()
    with at_own.held("order=newest"):  # asked before the first is sent
        page.locator(CHOOSE).set_input_files(photos[3:])
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("heading", name="0 photos added")).to_be_visible()
        expect(page.locator("#adding-note")).to_contain_text("Stopped, 2 not sent")


def test_an_empty_catalog_says_how_to_fill_it(
    empty_site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    for size in SIZES:
        visitor = visit(empty_site, size)
        page = visitor.open("/catalog")
        expect(page.get_by_role("heading", name="The catalog is still empty")).to_be_visible()
        visitor.look("catalog-empty")


def test_a_garment_that_is_not_there_is_said(visitor: Visitor) -> None:
    visitor.forgiven.append("404")
    page = visitor.open("/garments/999999")
    expect(page.get_by_text("There is no garment 999999.")).to_be_visible()
    page = visitor.open("/garments/none")
    expect(page.get_by_text("There is no garment none.")).to_be_visible()
