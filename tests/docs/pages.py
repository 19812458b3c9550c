"""The project's pages of Markdown, and the parts of them that are made from the code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT)) for place in ("*.md", "docs/**/*.md") for path in ROOT.glob(place)
)


def page(name: str) -> str:
    """A page's text. name: its path below the project's folder."""
    return (ROOT / name).read_text(encoding="utf-8")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def part(text: str, name: str) -> str:
    """What stands on a page between `<!-- NAME -->` and `<!-- end -->`."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found is not None, f"there is no part {name}"
    return found[1].strip()


def put(text: str, parts: Mapping[str, str]) -> str:
    """A page with some of its parts put in anew; what stands around them stays."""
    for name, made in parts.items():
        part(text, name)
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = between.sub(lambda found, made=made: f"{found[1]}\n{made}\n\n{found[2]}", text)
    return text
