"""A real browser at the real server. Without Chromium these tests are skipped, with a line that says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine

from service.catalog import Row, open_engine
from service.client import Client
from service.keys import create_key

from ..serving import wait_for
from .site import Opening, Site, pictures_of, serving
from .visitor import SIZES, Visitor

DAYS = """
    UPDATE garment SET created_at = CASE
        WHEN id <= 8 THEN timestamptz '2026-03-01 12:00Z'
        WHEN id <= 20 THEN timestamptz '2026-03-05 12:00Z'
        ELSE timestamptz '2026-03-06 00:30Z' END
"""
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; none is downloaded."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: `apt-get install chromium`, or what your system calls it")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses one to root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def opening(
    browser: Browser,
    administrator: Engine,
    template: str,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Opening:
    """opening(root, rows) is a context: a site of one's own with these garments, pictures in `root`.

    jobs=True: with a worker for background jobs, a process more.
    """

    def open_site(
        root: Path, rows: list[Row], *, jobs: bool = False
    ) -> AbstractContextManager[Site]:
        log = tmp_path_factory.mktemp("site") / "log"
        return serving(administrator, template, home, root, rows, log, jobs)

    return open_site


@pytest.fixture(scope="session")
def site(opening: Opening, drawn: Path, rows: list[Row]) -> Iterator[Site]:
    """33 drawn garments, ids from 1, that all tests share: they leave them alone."""
    with opening(drawn, rows) as site:
        yield site


@pytest.fixture(scope="session")
def empty_site(opening: Opening, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A catalog without garments, which tests leave so."""
    with opening(tmp_path_factory.mktemp("empty"), []) as site:
        yield site


@pytest.fixture(scope="session")
def locked(opening: Opening, drawn: Path, rows: list[Row]) -> Iterator[tuple[Site, str]]:
    """A site that needs a key, and one that may only read."""
    with opening(drawn, rows) as site:
        engine = open_engine(site.database_url)
        key, _ = create_key(engine, "reader", ["read"])
        engine.dispose()
        wait_for(lambda: httpx.get(site.url).status_code == 401)  # it looks for keys each second
        yield site, key


@pytest.fixture(scope="session")
def reported(
    opening: Opening, drawn: Path, rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Garments that came on three days, two of them the same photo, and photos in sets of two days."""
    root = pictures_of(drawn, tmp_path_factory.mktemp("reported") / "pictures")
    (root / "again.jpg").write_bytes((root / rows[0].image_path).read_bytes())
    twin = replace(rows[0], image_path="again.jpg", label_source="predicted")
    with opening(root, [*rows, twin], jobs=True) as site, Client(site.url) as client:
        site.rows(DAYS)
        photos = sorted(root.glob("**/*.jpg"))
        for day, some in (("2026-03-01", photos[:6]), ("2026-03-04", photos[3:20])):
            made = client.add_set(some)
            site.rows(
                f"UPDATE upload_set SET created_at = '{day} 12:00Z' WHERE id = :id", id=made.id
            )
        yield site


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[Site, str], Visitor]]:
    """visit(site, size) is a visitor at it; all of them leave at the end."""
    visitors: list[Visitor] = []

    def arrive(site: Site, size: str) -> Visitor:
        visitors.append(Visitor(browser, site.url, size))
        return visitors[-1]

    yield arrive
    for visitor in visitors:
        visitor.leave()


@pytest.fixture(params=SIZES)
def visitor(
    request: pytest.FixtureRequest, site: Site, visit: Callable[[Site, str], Visitor]
) -> Visitor:
    """A visitor at the shared site, on a desktop and on a phone."""
    return visit(site, request.param)


@pytest.fixture(params=SIZES)
def at_reports(
    request: pytest.FixtureRequest, reported: Site, visit: Callable[[Site, str], Visitor]
) -> Visitor:
    """A visitor at the site with something to report."""
    return visit(reported, request.param)


@pytest.fixture
def photo(tmp_path: Path, drawn: Path) -> Path:
    """A drawn dress that the catalog does not have: its bytes are others."""
    file = tmp_path / "my dress.jpg"
    file.write_bytes(next(drawn.rglob("*dress*.jpg")).read_bytes() + b"\0")
    return file


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> list[Path]:
    """Eleven drawn garments, and a text that says that it is a photo."""
    broken = tmp_path / 'not, a "photo".jpg'
    broken.write_text("no picture")
    return [*sorted(drawn.rglob("*.jpg"))[::3], broken]
