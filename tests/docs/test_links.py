"""Every page can be read on its own: its links lead somewhere, and its headings stand free."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from urllib.parse import unquote

import nbformat
import pytest
from markdown_it import MarkdownIt

from .pages import PAGES, ROOT, page

MARKDOWN = MarkdownIt("commonmark").enable("table")


def text_of(name: str) -> str:
    """A page's Markdown; a notebook's cells of it."""
    if not name.endswith(".ipynb"):
        return page(name)
    cells = nbformat.reads(page(name), as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@cache
def links(name: str) -> list[str]:
    """Where a page's links and pictures lead, code left out."""
    inline = [token for token in MARKDOWN.parse(text_of(name)) if token.type == "inline"]
    found = [child.attrs for token in inline for child in token.children or []]
    return [str(attrs[kind]) for attrs in found for kind in ("href", "src") if kind in attrs]


@cache
def anchors(name: str) -> set[str]:
    """The anchors of a page's headings, as code forges make them."""
    tokens = MARKDOWN.parse(text_of(name))
    titles = [
        "".join(child.content for child in after.children or [])
        for token, after in pairwise(tokens)
        if token.type == "heading_open"
    ]
    slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
    assert len(slugs) == len(set(slugs)), f"two headings of {name} are the same"
    return set(slugs)


@pytest.mark.parametrize("name", [*PAGES, "docs/results.ipynb"])
def test_every_link_leads_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    for link in links(name):
        path, _, anchor = unquote(link).partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (folder / path).resolve() if path else ROOT / name
        assert target.exists(), f"{name}: {link}"
        assert target.is_relative_to(ROOT), f"{name}: {link}"
        if anchor:
            assert anchor in anchors(str(target.relative_to(ROOT))), f"{name}: {link}"


def test_every_page_is_reached_from_the_index() -> None:
    seen, waiting = set(), ["docs/README.md"]
    while waiting:
        name = waiting.pop()
        if name in seen or not name.endswith(".md"):
            continue
        seen.add(name)
        paths = (unquote(link).partition("#")[0] for link in links(name) if ":" not in link)
        targets = ((ROOT / name).parent.joinpath(path).resolve() for path in paths if path)
        waiting += [
            str(target.relative_to(ROOT)) for target in targets if target.is_relative_to(ROOT)
        ]
    assert sorted(set(PAGES) - seen) == []


@pytest.mark.parametrize("name", PAGES)
def test_headings_stand_free(name: str) -> None:
    lines = page(name).splitlines()
    starts = [
        token.map[0]
        for token in MARKDOWN.parse(page(name))
        if token.type == "heading_open" and token.map
    ]
    assert starts[:1] == [0]
    assert [lines[at] for at in starts[1:] if lines[at - 1].strip()] == []


@pytest.mark.parametrize("name", PAGES)
def test_files_that_a_page_names_are_there(name: str) -> None:
    """In code such as `tests/docs/pages.py`; a name without a folder may be anything."""
    tops = "service|tests|migrations|docs|benchmarks|deploy|requirements|licences"
    named = re.findall(rf"`((?:{tops})/[\w./-]+)`", page(name))
    assert [file for file in named if not (ROOT / file).exists()] == []
