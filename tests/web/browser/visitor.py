"""Somebody at the page, who notices what must never be: faults, requests elsewhere, barriers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, Route

SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}},
    "phone": {
        "viewport": {"width": 375, "height": 812},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}

# What axe looks for: the document is the same in the dark, only its colours are others
RULES: dict[Literal["light", "dark"], dict[str, Any]] = {
    "light": {"resultTypes": ["violations"]},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},
}


class Visitor:
    """A page of its own context at one of SIZES.

    forgiven: patterns of console errors that a test provokes, such as a lost connection's.
    """

    def __init__(self, browser: Browser, url: str, size: str) -> None:
        self.size = size
        self.url = url
        self.forgiven: list[str] = []
        self.faults: list[str] = []
        self.context = browser.new_context(base_url=url, reduced_motion="reduce", **SIZES[size])
        self.context.set_default_timeout(20_000)
        self.context.on("request", self._watch)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))

    def open(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def look(self, name: str) -> None:
        """Keep pictures of the page, light and dark, and hold both to axe's rules and to the width."""
        for scheme, options in RULES.items():
            self.page.emulate_media(color_scheme=scheme)
            file = SCREENSHOTS / f"{name}-{self.size}-{scheme}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=file)
            found = Axe().run(self.page, options=options).response["violations"]
            assert not found, _violations(name, scheme, found)
        self.page.emulate_media(color_scheme="light")
        wider = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wider <= 0, f"{name}: the page is {wider} pixels wider than the screen"

    @contextmanager
    def held(self, pattern: str) -> Iterator[list[Route]]:
        """Requests that match wait on the way, until the block ends: a slow answer, without a clock."""
        waiting: list[Route] = []
        held = True  # until the end; what is asked from then on, while the others go, does not wait
        self.page.route(
            re.compile(pattern),
            lambda route: waiting.append(route) if held else route.continue_(),
        )
        yield waiting
        held = False
        for route in waiting:
            with suppress(Error):  # one that the page gave up
                route.continue_()
        self.page.unroute_all(behavior="wait")

    def leave(self) -> None:
        """Close, and fail for what was noticed."""
        self.context.close()
        assert self.faults == []

    def _watch(self, request: Request) -> None:
        if urlsplit(request.url).scheme in ("blob", "data"):
            return
        if not request.url.startswith(f"{self.url}/"):
            self.faults.append(f"a request left the host: {request.url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said = f"{message.text} ({message.location.get('url', '')})"
            if not any(re.search(pattern, said) for pattern in self.forgiven):
                self.faults.append(f"console {message.type}: {said}")


def _violations(name: str, scheme: str, found: list[dict[str, Any]]) -> str:
    lines = [f"{name}, {scheme}:"]
    for violation in found:
        for node in violation["nodes"]:
            lines.append(f"{violation['id']}: {violation['help']}: {node['html'][:200]}")
            lines += [f"    {check['message']}" for check in node["any"]]
    return "\n".join(lines)
