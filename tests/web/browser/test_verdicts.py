"""Good match, or not: what people say below a match is stored, shown again and taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from ..serving import wait_for
from .finding import answered, ask_about
from .site import Site
from .visitor import Visitor


def buttons(page: Page, place: int, gallery: str = "#matches") -> tuple[Locator, Locator, int]:
    """Of the match at that place: "good match", "not a match", and its garment."""
    match = page.locator(f"{gallery} .match").nth(place)
    garment = match.locator("a.card").get_attribute("data-garment")
    return (
        match.get_by_role("button", name="Good match"),
        match.get_by_role("button", name="Not a match"),
        int(garment or 0),
    )


def stored(site: Site, query: str | int) -> list[tuple[int, str]]:
    """(match, verdict) of every row about that photo's digest or that garment."""
    column = "query_id::text" if isinstance(query, int) else "encode(query_sha256, 'hex')"
    return [
        (match, verdict)
        for match, verdict in site.rows(
            f"SELECT match_id, verdict FROM feedback WHERE {column} = :query ORDER BY id",
            query=str(query),
        )
    ]


def pressed(button: Locator, is_pressed: bool = True) -> None:
    expect(button).to_have_attribute("aria-pressed", str(is_pressed).lower())


def test_verdicts_on_matches_of_a_photo_are_stored_under_its_digest(
    visitor: Visitor, site: Site, photo: Path
) -> None:
    photo.write_bytes(photo.read_bytes() + visitor.size.encode())  # a photo of this visitor's own
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    page = ask_about(visitor, photo)
    good, bad, garment = buttons(page, 0)
    pressed(good, False)
    good.click()
    pressed(good)
    wait_for(lambda: stored(site, digest) == [(garment, "good")])
    expect(page.locator("#toasts")).to_contain_text("Press it again to take it back.")
    _, other_bad, other = buttons(page, 1)
    other_bad.click()
    wait_for(lambda: stored(site, digest) == [(garment, "good"), (other, "bad")])
    visitor.look("verdicts")

    bad.click()  # the mind is changed: one verdict a browser, not two that contradict each other
    pressed(bad)
    pressed(good, False)
    wait_for(lambda: stored(site, digest) == [(other, "bad"), (garment, "bad")])
    page.reload()  # this browser knows what it said
    answered(page)
    pressed(bad)
    bad.click()
    pressed(bad, False)
    wait_for(lambda: stored(site, digest) == [(other, "bad")])


def test_a_garments_matches_are_judged_by_keys(visitor: Visitor, site: Site) -> None:
    query = 4 if visitor.size == "desktop" else 5
    page = visitor.open(f"/?garment={query}")
    answered(page)
    page.locator("#matches a.card").first.focus()
    page.keyboard.press("Tab")
    good, bad, garment = buttons(page, 0)
    expect(good).to_be_focused()
    label = page.locator("#matches .caption span").first.inner_text()
    expect(good).to_have_accessible_name(f"Good match: {label}, garment {garment}")
    page.keyboard.press("Space")
    pressed(good)
    page.keyboard.press("Tab")
    expect(bad).to_be_focused()
    wait_for(lambda: stored(site, query) == [(garment, "good")])
    page.wait_for_load_state("networkidle")  # the page has heard of it, and noted it
    page.goto(f"/garments/{query}")  # the same question, elsewhere
    there, _, same = buttons(page, 0, "#near")
    assert same == garment
    pressed(there)
    page.locator("#near").scroll_into_view_if_needed()
    visitor.look("garment-judged")
    there.press("Enter")
    pressed(there, False)
    wait_for(lambda: stored(site, query) == [])


def test_a_verdict_whose_id_is_somebody_elses_by_now_is_left_alone(
    site: Site, visit: Callable[[Site, str], Visitor]
) -> None:
    """As in another catalog at the same address."""
    remembered = """() => import("/static/kept.js").then(({ all }) => all("verdicts"))
        .then((verdicts) => verdicts.length)"""
    page = visit(site, "desktop").open("/?garment=13")
    answered(page)
    good, _, garment = buttons(page, 0)
    good.click()
    wait_for(lambda: page.evaluate(remembered) == 1)
    site.rows("UPDATE feedback SET query_id = 14 WHERE query_id = 13")
    good.click()
    pressed(good, False)
    wait_for(lambda: page.evaluate(remembered) == 0)
    assert stored(site, 14) == [(garment, "good")]


def test_who_presses_faster_than_the_server_answers_is_heard(visitor: Visitor, site: Site) -> None:
    query = 7 if visitor.size == "desktop" else 8
    page = visitor.open(f"/?garment={query}")
    answered(page)
    good, bad, garment = buttons(page, 0)
    with visitor.held("/api/v1/feedback"):
        good.click()
        pressed(good)  # at once, however slow the answer
        bad.click()
        good.click()
        bad.click()
    pressed(bad)
    wait_for(lambda: stored(site, query) == [(garment, "bad")])


def test_a_verdict_that_is_not_noted_is_said_and_given_again(visitor: Visitor, site: Site) -> None:
    visitor.forgiven.append("ERR_INTERNET_DISCONNECTED")
    query = 10 if visitor.size == "desktop" else 11
    page = visitor.open(f"/?garment={query}")
    answered(page)
    good, _, garment = buttons(page, 0)
    visitor.context.set_offline(True)
    good.click()
    expect(page.locator(".toast")).to_contain_text("Not noted. The server does not answer")
    pressed(good, False)
    visitor.look("verdict-lost")
    visitor.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    pressed(good)
    wait_for(lambda: stored(site, query) == [(garment, "good")])


def test_who_may_only_read_is_offered_no_more(
    locked: tuple[Site, str], visit: Callable[[Site, str], Visitor]
) -> None:
    site, key = locked
    visitor = visit(site, "phone")
    visitor.forgiven.append("status of 401")
    page = visitor.open("/?garment=1")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    answered(page)
    expect(page.locator("#matches a.card").first).to_be_visible()
    expect(page.locator(".verdict")).to_have_count(0)
    page.goto("/garments/1")
    page.locator("#near .card[href]").first.wait_for()
    expect(page.get_by_role("button", name="Remove")).to_have_count(0)
    expect(page.get_by_label("Its label")).to_have_count(0)
    visitor.look("garment-to-readers")
    page.goto("/catalog")
    expect(page.locator("#garments .card").first).to_be_visible()
    expect(page.locator("input[type=file]")).to_have_count(0)
    visitor.look("catalog-to-readers")
