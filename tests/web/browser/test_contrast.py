"""What must stand out from what is behind it, by the ratio of WCAG 2.2: axe looks at text alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from .site import Site
from .visitor import RULES, Visitor

LEAST = 3.0  # of what is no text


def colour(element: Locator, name: str) -> list[float]:
    """Red, green and blue of that property, 0 to 255."""
    said = element.evaluate("(element, name) => getComputedStyle(element)[name]", name)
    found = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", said)
    assert found is not None, said
    return [float(part) for part in found.groups()]


def contrast(one: list[float], other: list[float]) -> float:
    def luminance(rgb: list[float]) -> float:
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in (part / 255 for part in rgb)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", RULES)
def test_the_focus_is_seen_in_a_toast(
    site: Site, visit: Callable[[Site, str], Visitor], scheme: str
) -> None:
    visitor = visit(site, "desktop")
    visitor.page.emulate_media(color_scheme=scheme)
    page = visitor.open("/garments/2")
    page.locator("#near .card[href]").first.wait_for()
    page.locator("#remove").press("Enter")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    ring = colour(undo, "outlineColor")
    behind = colour(page.locator(".toast"), "backgroundColor")
    undo.press("Enter")
    assert contrast(ring, behind) >= LEAST


@pytest.mark.parametrize("scheme", RULES)
def test_faint_bars_stand_out_from_their_track(
    site: Site, visit: Callable[[Site, str], Visitor], scheme: str
) -> None:
    visitor = visit(site, "desktop")
    visitor.page.emulate_media(color_scheme=scheme)
    page = visitor.open("/overview")
    faint = page.locator(".rows .fill.light").first
    faint.wait_for(state="attached")
    strength = float(faint.evaluate("element => getComputedStyle(element).opacity"))
    behind = colour(page.locator(".rows .track").first, "backgroundColor")
    seen = [
        strength * over + (1 - strength) * under
        for over, under in zip(colour(faint, "backgroundColor"), behind, strict=True)
    ]
    assert contrast(seen, behind) >= LEAST
