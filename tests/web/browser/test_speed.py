"""The page adds little to the time of the API."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from .site import Site
from .visitor import Visitor

ALLOWED = 2.5  # times; the aim is 1.5, and a machine that does other work must not fail here
ROUNDS = 7

# From the choice of a photo to the first matches' pictures decoded, and what of it was the API's
WATCH = """() => new Promise((resolve) => {
    const began = performance.now();
    const watcher = new MutationObserver(async () => {
        const first = [...document.querySelectorAll("#matches a.card img")].slice(0, 2);
        if (!first.length) return;
        watcher.disconnect();
        await Promise.all(first.map((image) => image.decode()));
        const shown = performance.now() - began;
        const asked = performance.getEntriesByType("resource");
        const api = asked.findLast(({ name }) => name.includes("/similar?"));
        resolve([shown, api.duration]);
    });
    watcher.observe(document.getElementById("matches"), { childList: true });
    document.querySelector("#home input[data-take]").dispatchEvent(new Event("change", { bubbles: true }));
})"""


def test_first_pictures_come_soon_after_the_answer(
    visit: Callable[[Site, str], Visitor], site: Site, drawn: Path, tmp_path: Path
) -> None:
    visitor = visit(site, "desktop")
    page = visitor.page
    page.add_init_script(
        "addEventListener('change', (event) => event.isTrusted && event.stopImmediatePropagation(), true)"
    )
    found = []
    for number, photo in enumerate(sorted(drawn.rglob("*.jpg"))[:ROUNDS]):
        other = tmp_path / photo.name
        other.write_bytes(photo.read_bytes() + bytes([number]))
        visitor.open("/")
        page.set_input_files("#home input[data-take] >> nth=0", other)
        found.append(page.evaluate(WATCH))
    # What else the machine does delays some; a page that is slow, all
    ratio, median, _ = statistics.quantiles((shown / api for shown, api in found), n=4)
    shown, api = (statistics.median(column) for column in zip(*found, strict=True))
    print(
        f"first pictures after {shown:.0f} ms, API {api:.0f} ms: {median:.2f} times (medians), {ratio:.2f}"
    )
    assert ratio <= ALLOWED
