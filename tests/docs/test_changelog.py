"""CHANGELOG.md keeps to the form of Keep a Changelog, and to the version of the package."""

from __future__ import annotations

import re
from datetime import date

import pytest

from ..test_release import VERSION
from .pages import page

UNRELEASED = "## [Unreleased]"
RELEASE = re.compile(r"## \[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)( \[YANKED\])?")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def faults(changelog: str, version: str) -> list[str]:
    """What is wrong with the changelog of a package of that version, a line each."""
    found = []
    versions = []
    headings = re.findall("^## .*$", changelog, re.MULTILINE)
    if UNRELEASED in headings[1:]:
        found.append("what is unreleased does not come first, and once")
    for heading in headings:
        if match := RELEASE.fullmatch(heading):
            versions.append(tuple(map(int, match.groups()[:3])))
            date.fromisoformat(match[4])
        elif heading != UNRELEASED:
            found.append(f"no heading of a release: {heading}")
    if versions != sorted(set(versions), reverse=True):
        found.append("releases do not stand from the newest to the oldest")
    if versions and ".".join(map(str, versions[0])) != version:
        found.append(f"the newest release is not {version}")
    if not headings:
        found.append("there is no release, and nothing unreleased")
    kinds = re.findall("^### (.*)$", changelog, re.MULTILINE)
    return found + [f"no kind of change: {kind}" for kind in kinds if kind not in KINDS]


def test_the_changelog_is_in_order() -> None:
    assert faults(page("CHANGELOG.md"), VERSION) == []


RELEASED = """# Changelog
## [Unreleased]
## [1.1.0] - 2026-03-01
### Added
## [1.0.0] - 2026-02-01
### Added
"""


def test_a_changelog_with_releases_is_in_order() -> None:
    assert faults(RELEASED, "1.1.0") == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[1.1.0] - 2026-03-01", "[1.2.0] - 2026-03-01", "the newest release is not 1.1.0"),
        ("[1.1.0] - 2026-03-01", "1.1.0 (March)", "no heading of a release: ## 1.1.0 (March)"),
        (
            "[1.0.0] - 2026-02-01",
            "[Unreleased]",
            "what is unreleased does not come first, and once",
        ),
        ("[1.0.0]", "[1.3.0]", "releases do not stand from the newest to the oldest"),
        ("### Added", "### Improved", "no kind of change: Improved"),
    ],
)
def test_what_is_wrong_with_a_changelog_is_found(old: str, new: str, fault: str) -> None:
    assert fault in faults(RELEASED.replace(old, new, 1), "1.1.0")
