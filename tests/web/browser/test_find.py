"""Find similar, as people do it."""

from __future__ import annotations

from pathlib import Path

from .visitor import Visitor


def test_the_first_page_offers_ways_to_ask(visitor: Visitor) -> None:
    page = visitor.open("/")
    assert page.locator(".card").count() == 12
    visitor.look("home")


def test_a_photo_is_answered_with_garments_of_its_category(visitor: Visitor, drawn: Path) -> None:
    page = visitor.open("/")
    photo = next(drawn.rglob("*dress*.jpg"))
    page.locator("#home input[data-take]").first.set_input_files(photo)
    page.locator("#matches a.card").first.wait_for()
    visitor.look("similar")
