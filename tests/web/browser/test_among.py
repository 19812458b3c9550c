"""Find similar only among what relations of the shop's own name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from .finding import answered, cards
from .site import Site
from .visitor import Visitor

RELATIONS = {
    "in_stock": "id % 2 = 1",
    "under_50": "id < 12",
    "sold_out": "false",
    "Quoted": "true",  # which no question can name
}


@pytest.fixture(autouse=True)
def relations(site: Site) -> Iterator[None]:
    for name, condition in RELATIONS.items():
        site.rows(
            f'CREATE TABLE "among_{name}" AS SELECT image_path FROM garment WHERE {condition}'
        )
    yield
    for name in RELATIONS:
        site.rows(f'DROP TABLE "among_{name}"')


def ids(page: Page) -> set[int]:
    return {
        int(number)
        for number in page.locator("#matches a.card").evaluate_all(
            "cards => cards.map(card => card.dataset.garment)"
        )
    }


def tick(page: Page, name: str) -> None:
    page.get_by_role("checkbox", name=name).click()


def test_boxes_leave_only_what_they_name(visitor: Visitor) -> None:
    page = visitor.open("/?garment=1&label=any&n=48")
    answered(page)
    assert cards(page) == 32
    if visitor.size == "phone":
        page.get_by_text("Refine").click()
    assert page.locator("#among label").all_inner_texts() == ["in stock", "sold out", "under 50"]
    tick(page, "in stock")
    expect(page.locator("#matches a.card")).to_have_count(16)
    assert all(number % 2 for number in ids(page))
    expect(page.get_by_role("checkbox", name="in stock")).to_be_focused()
    expect(page.locator("#method")).to_contain_text("16 garments · only in stock · cosine")
    tick(page, "under 50")
    expect(page.locator("#matches a.card")).to_have_count(5)
    assert ids(page) == {3, 5, 7, 9, 11}
    assert "among=in_stock%2Cunder_50" in page.url
    visitor.look("among")

    page.go_back()
    expect(page.locator("#matches a.card")).to_have_count(16)
    expect(page.locator("#among input[value=under_50]")).not_to_be_checked()
    page.locator("#matches a.card").first.click()  # the next question is about the same garments
    expect(page.locator("#method")).to_contain_text("only in stock")
    page.reload()
    answered(page)
    expect(page.locator("#among input[value=in_stock]")).to_be_checked()


def test_where_nothing_is_left_the_others_are_a_click_away(visitor: Visitor) -> None:
    page = visitor.open("/?garment=1&label=any&among=sold_out")
    expect(page.locator("#none")).to_contain_text("Nothing here is sold out")
    visitor.look("among-nothing")
    page.get_by_role("button", name="Show the others too").click()
    answered(page)
    assert cards(page) == 24
    assert "among" not in page.url


def test_one_that_is_gone_is_told_and_holds_nobody(visitor: Visitor) -> None:
    visitor.forgiven.append("400")
    page = visitor.open("/?garment=1&among=sale")
    expect(page.locator("#trouble")).to_contain_text("among_sale")
    page.locator("#find [data-random]").click()
    answered(page)
    assert "among" not in page.url


def test_they_end_with_the_question(visitor: Visitor) -> None:
    page = visitor.open("/?garment=1&label=any&among=in_stock")
    answered(page)
    expect(page.locator("#among input[value=in_stock]")).to_be_checked()
    page.get_by_role("link", name="Fashion Studio").click()
    page.locator("#home a.card").first.click()
    answered(page)
    assert "among" not in page.url
