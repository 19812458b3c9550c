"""The README's pictures, of the demo's catalog: `make results` takes them anew.

They are not compared by a test: other machines have other fonts.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from service.collection import Recipe, draw_collection

from ..serving import free_port, wait_until_ready
from .conftest import NAMES
from .finding import ask_about
from .visitor import Visitor

DOCS = Path(__file__).parents[3] / "docs"
CARDIGAN, HOODIE, PHOTOS = 26, "hoodie-00013.jpg", 22
CLI = [sys.executable, "-m", "service.cli"]


def main() -> None:
    """Write docs/similar.jpg, page-find.jpg and page-set.jpg."""
    place = Path(tempfile.mkdtemp(prefix="fashion-studio-readme-"))
    environment = os.environ | {"FASHION_STUDIO_HOME": str(place / "home")}
    try:
        subprocess.run([*CLI, "demo", "--no-serve"], env=environment, check=True)
        sheet = place / "similar.png"
        subprocess.run(
            [*CLI, "similar", "--id", str(CARDIGAN), "--show", str(sheet)],
            env=environment,
            check=True,
        )
        _keep(sheet.read_bytes(), "similar")
        # The demo's garments as phones would take them
        photos = place / "photos"
        draw_collection(photos, Recipe(garments=PHOTOS, scenes="wild"))
        port = free_port()
        server = subprocess.Popen([*CLI, "serve", "--port", str(port)], env=environment)
        try:
            wait_until_ready(port, server)
            _take(f"http://127.0.0.1:{port}", sorted(photos.rglob("*.jpg")))
        finally:
            server.terminate()
            server.wait(60)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _take(url: str, photos: list[Path]) -> None:
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        sys.exit("The README's pictures need Chromium.")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        visitor = Visitor(browser, url, "desktop")
        page = ask_about(visitor, next(photo for photo in photos if photo.name == HOODIE))
        page.wait_for_load_state("networkidle")
        _keep(page.screenshot(), "page-find")
        visitor.open("/sets")
        page.set_input_files("#home input[data-take] >> nth=0", photos)
        page.locator("#top > * >> nth=0").wait_for()
        page.wait_for_load_state("networkidle")
        _keep(page.screenshot(), "page-set")
        browser.close()


def _keep(picture: bytes, name: str) -> None:
    file = DOCS / f"{name}.jpg"
    Image.open(io.BytesIO(picture)).convert("RGB").save(
        file, quality=88, optimize=True, progressive=True
    )


if __name__ == "__main__":
    main()
