"""The house keeps its own rules: documents name everything, files stay small."""

from __future__ import annotations

from pathlib import Path

from .conftest import LONGEST

ROOT = Path(__file__).parents[1]


def read(*names: str) -> str:
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


def test_every_decision_is_listed() -> None:
    index = read("docs/adr/README.md")
    pages = sorted(path.name for path in (ROOT / "docs/adr").glob("0*.md"))
    assert pages
    assert [page for page in pages if page not in index] == []


def test_every_module_is_on_the_map() -> None:
    map_of_the_house = read("CONTRIBUTING.md")
    parts = [path.name for path in (ROOT / "service").iterdir() if not path.name.startswith("_")]
    assert [part for part in parts if part not in map_of_the_house and part != "bundles"] == []


def test_the_longest_tests_are_there() -> None:
    assert [str(path) for path in LONGEST if not path.is_file()] == []


def test_files_are_about_one_thing() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for kind in ("py", "js", "css", "html")
        for path in (ROOT / "service").rglob(f"*.{kind}")
        if path.name != "errors.py"  # a list of the same kind of thing, however long
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 250
    }
    assert long == {}
