"""A folder of photos, chosen where the browser knows folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .site import Site
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

# As where it was removed since, or belongs to somebody else
UNREADABLE = """() => {
    const entryOf = DataTransferItem.prototype.webkitGetAsEntry;
    const lost = (_, reject) => reject(new DOMException("It is lost.", "NotFoundError"));
    DataTransferItem.prototype.webkitGetAsEntry = function () {
        const entry = entryOf.call(this);
        return entry.name === "lost.jpg" ? { isFile: true, file: lost } : entry;
    };
}"""


def drop(visitor: Visitor, *paths: Path) -> None:
    """As from the system's file manager: no event made by a script has folders."""
    session = visitor.context.new_cdp_session(visitor.page)
    dragged = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 300, "y": 300, "data": dragged}
        session.send("Input.dispatchDragEvent", event)


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


def test_of_a_dropped_folder_the_pictures_are_taken_that_can_be_read(
    site: Site, visit: Callable[[Site, str], Visitor], drawn: Path, tmp_path: Path
) -> None:
    visitor = visit(site, "desktop")
    page = visitor.open("/sets")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    drop(visitor, folder)
    expect(page.locator("#toasts")).to_have_text("There is no picture in that folder.")
    page.evaluate(UNREADABLE)
    for photo in sorted(drawn.rglob("*.jpg"))[:2]:
        (folder / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "lost.jpg").write_text("not to be read")
    drop(visitor, tmp_path / "lost.jpg", folder)
    expect(page.locator("#set-title")).to_have_text("2 photos")
