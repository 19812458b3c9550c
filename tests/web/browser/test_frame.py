"""What all pages share: the way between them, by keyboard too, and the page that asks for a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from service.catalog import Row, open_engine
from service.client import Client
from service.keys import create_key

from ..serving import wait_for
from .finding import answered
from .site import Opening, Site, pictures_of
from .visitor import SIZES, Visitor


def test_the_bar_leads_from_page_to_page(visitor: Visitor) -> None:
    page = visitor.open("/")
    here = page.locator("nav [aria-current=page]")
    expect(here).to_have_text("Find")
    page.get_by_role("link", name="Photos").click()
    page.wait_for_url("**/sets")
    expect(here).to_have_text("Photos")
    page.get_by_role("link", name="Fashion Studio").click()
    expect(here).to_have_text("Find")


def test_the_keyboard_reaches_the_content_first(visitor: Visitor) -> None:
    page = visitor.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("path", ["/", "/sets", "/catalog", "/overview", "/garments/1"])
def test_all_scripts_are_named_in_the_head(
    site: Site, visit: Callable[[Site, str], Visitor], path: str
) -> None:
    page = visit(site, "phone").open(path)
    page.wait_for_load_state("networkidle")
    named = page.locator("link[rel=modulepreload], script[src]").evaluate_all(
        "all => all.map((element) => element.href || element.src)"
    )
    loaded = page.evaluate(
        """performance.getEntriesByType("resource").map(({ name }) => name)
            .filter((name) => name.endsWith(".js"))"""
    )
    assert set(loaded) == set(named)
    assert len(loaded) == len(set(loaded)) > 3


@pytest.mark.parametrize("size", SIZES)
def test_a_key_is_asked_for_kept_and_forgotten(
    locked: tuple[Site, str], visit: Callable[[Site, str], Visitor], size: str
) -> None:
    site, key = locked
    visitor = visit(site, size)
    visitor.forgiven.append("status of 401")
    page = visitor.open("/?garment=1")
    visitor.look("key")
    page.get_by_label("API key").fill("fs_wrong")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#trouble")).to_contain_text("not known")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#query-note")).to_contain_text("Garment 1")  # where they wanted to go
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_who_is_still_signed_in_is_told(
    locked: tuple[Site, str], visit: Callable[[Site, str], Visitor]
) -> None:
    site, key = locked
    visitor = visit(site, "desktop")
    visitor.forgiven += ["status of 401", "status of 502"]
    page = visitor.open("/?garment=1")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    answered(page)
    page.route("**/session", lambda route: route.fulfill(status=502), times=1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#trouble")).to_contain_text("You are still signed in")
    visitor.look("still-signed-in")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_who_signs_out_after_a_removal_has_removed(
    opening: Opening,
    drawn: Path,
    rows: list[Row],
    tmp_path: Path,
    visit: Callable[[Site, str], Visitor],
) -> None:
    with opening(pictures_of(drawn, tmp_path / "pictures"), rows[:3]) as site:
        engine = open_engine(site.database_url)
        key, _ = create_key(engine, "writer", ["write"])
        engine.dispose()
        wait_for(lambda: httpx.get(site.url).status_code == 401)  # it looks for keys each second
        visitor = visit(site, "desktop")
        visitor.forgiven.append("status of 401")
        page = visitor.open("/garments/2")
        page.get_by_label("API key").fill(key)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API key")).to_be_visible()
        wait_for(lambda: site.rows("SELECT id FROM garment ORDER BY id") == [(1,), (3,)])


def test_who_follows_a_link_of_another_site_is_signed_in(
    locked: tuple[Site, str], browser: Browser
) -> None:
    """As from a mail that is read in the browser. The other site gets no picture and changes nothing."""
    site, key = locked
    elsewhere = "http://mail.example/"
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.url}/catalog")
        page.get_by_label("API key").fill(key)
        page.keyboard.press("Enter")
        page.locator("#garments .card").first.wait_for()
        context.route(
            elsewhere,
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<a href="{site.url}/catalog">link</a><img src="{site.url}/api/v1/garments/1/image">'
                f'<form method="post" action="{site.url}/api/v1/garments"><button>send</button></form>',
            ),
        )
        page.goto(elsewhere)
        assert page.locator("img").evaluate("image => image.complete && image.naturalWidth === 0")
        with page.expect_navigation() as sent:
            page.get_by_role("button", name="send").click()
        assert sent.value is not None
        assert sent.value.status in (401, 403)
        page.goto(elsewhere)
        page.get_by_role("link", name="link").click()
        page.locator("#garments .card").first.wait_for()


def test_colours_of_the_system_keep_what_is_chosen_apart(
    site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    page = visit(site, "desktop").open("/?garment=1")
    answered(page)
    page.emulate_media(forced_colors="active")
    colour = "element => getComputedStyle(element).backgroundColor"
    chips = page.locator("#labels button")
    chosen, other = (
        chips.and_(page.locator(f"[aria-pressed={on}]")).first for on in ("true", "false")
    )
    assert chosen.evaluate(colour) != other.evaluate(colour)
    page.goto("/overview")
    fill = page.locator(".rows .fill").first
    assert fill.evaluate(colour) != page.locator(".rows .track").first.evaluate(colour)
    line = "element => getComputedStyle(element).borderBottomColor"
    here, there = (
        page.locator(f".views a{which}").first
        for which in ("[aria-current]", ":not([aria-current])")
    )
    assert here.evaluate(line) != there.evaluate(line)


def test_a_key_that_may_only_read_is_offered_to_send_and_start_nothing(
    locked: tuple[Site, str], visit: Callable[[Site, str], Visitor], drawn: Path
) -> None:
    site, key = locked
    engine = open_engine(site.database_url)
    writing, _ = create_key(engine, "writer", ["write"])
    engine.dispose()
    with Client(site.url, key=writing) as client:
        sent = client.add_set([next(drawn.rglob("*.jpg"))])
    visitor = visit(site, "phone")
    visitor.forgiven.append("status of 401")
    page = visitor.open(f"/sets/{sent.id}")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#set-title")).to_have_text("1 photo")
    expect(page.get_by_role("button", name="Forget this set")).to_have_count(0)
    page.goto("/sets")
    expect(page.locator("#home")).to_contain_text("sends no photos")
    expect(page.locator("input[type=file]")).to_have_count(0)
    visitor.look("sets-to-readers")
    page.goto("/overview")
    expect(page.locator("#analysis")).to_contain_text("compared with all others")
    expect(page.locator("#analysis button")).to_have_count(0)
