"""A photo is cropped to the garment, by pointer and by keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from ...pictures import encoded, picture
from .finding import CHOOSE, answered, ask_about
from .site import Site
from .visitor import Visitor


def size_of_asked(page: Page) -> list[int]:
    """Width and height of the picture that is asked about."""
    return page.locator("#query-image").evaluate(
        "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    )


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
    lying = picture(300, 400).transpose(Pillow.Transpose.ROTATE_90)
    file.write_bytes(encoded(lying, "JPEG", exif=exif))
    page = ask_about(visitor, file)
    assert size_of_asked(page) == [300, 400]
    page.goto(f"{page.url}&crop=0,0,0.9,0.75")
    answered(page)
    assert size_of_asked(page) == [270, 300]


def test_a_photo_is_cropped_before_the_answer_is_there(visitor: Visitor, photo: Path) -> None:
    page = visitor.open("/")
    with visitor.held(r"/api/v1/similar"):
        page.set_input_files(CHOOSE, photo)
        page.locator("#query-label", has_text="Looking…").wait_for()
        assert page.locator("#matches .waiting").count() == 12
        visitor.look("slow")
        page.click("#crop")
        page.get_by_role("button", name="Use this part").click()
        page.wait_for_url("**crop=*")
    answered(page)
    page.go_back()
    expect(page).not_to_have_url(re.compile("crop="))
    answered(page)


def test_a_part_is_cut_once_and_keeps_its_address(
    site: Site, visit: Callable[[Site, str], Visitor], photo: Path
) -> None:
    visitor = visit(site, "desktop")
    visitor.page.add_init_script("""
        window.made = 0;
        const make = URL.createObjectURL;
        URL.createObjectURL = (file) => (made++, make(file));
    """)
    page = ask_about(visitor, photo)
    page.click("#crop")
    page.get_by_role("button", name="Use this part").click()
    page.wait_for_url("**crop=*")
    answered(page)
    for _ in range(2):
        page.go_back()
        expect(page).not_to_have_url(re.compile("crop="))
        answered(page)
        page.go_forward()
        expect(page).to_have_url(re.compile("crop="))
        answered(page)
    assert page.evaluate("made") == 2  # the photo and its part
