"""A folder of photos, chosen where the browser knows folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from .visitor import Visitor

FOLDER = "input[webkitdirectory]"

# As a phone does that has the property and no chooser of folders
MANY_FILES = """(input, files) => {
    const transfer = new DataTransfer();
    for (const bytes of files) {
        transfer.items.add(new File([new Uint8Array(bytes)], "photo.jpg", { type: "image/jpeg" }));
    }
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
}"""


@pytest.mark.parametrize(
    ("path", "text"), [("/catalog", "Add a folder"), ("/sets", "Choose a folder")]
)
def test_folders_are_offered_where_the_browser_knows_them(
    visitor: Visitor, path: str, text: str
) -> None:
    page = visitor.open(path)
    expect(page.get_by_text(text)).to_be_visible()
    page.add_init_script("delete HTMLInputElement.prototype.webkitdirectory")
    page.reload()
    expect(page.locator("[data-take]").first).to_be_attached()
    expect(page.get_by_text(text)).to_be_hidden()
    visitor.look(f"no-folders{path.replace('/', '-')}")


def test_a_folder_is_a_set_of_its_pictures(visitor: Visitor, drawn: Path, tmp_path: Path) -> None:
    for photo in sorted(drawn.rglob("*.jpg"))[:3]:
        (tmp_path / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "notes.txt").write_text("no picture, and so left where it is")
    page = visitor.open("/sets")
    page.locator(FOLDER).set_input_files(tmp_path)
    expect(page.locator("#set-title")).to_have_text("3 photos")
    expect(page.locator("#wrongs")).to_be_hidden()


def test_where_a_phone_has_no_folders_many_files_are_chosen(visitor: Visitor, drawn: Path) -> None:
    page = visitor.open("/sets")
    files = [list(photo.read_bytes()) for photo in sorted(drawn.rglob("*.jpg"))[:3]]
    page.locator(FOLDER).evaluate(MANY_FILES, files)
    expect(page.locator("#set-title")).to_have_text("3 photos")


def test_a_folder_without_pictures_is_said(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    page = visitor.open("/sets")
    page.locator(FOLDER).set_input_files(tmp_path)
    expect(page.locator("#toasts")).to_have_text("There is no picture in that folder.")
    expect(page.locator("#home")).to_be_visible()
