"""The probe says what is wrong with folders and stores, and never dies of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.cli.doctor import _import_roots
from service.disks import nearly_full
from service.errors import SettingsInvalid
from service.images import open_images
from service.settings import Settings
from service.studio import Studio

from .conftest import warm


def warnings(studio: Studio) -> list[str]:
    answer = warm(studio).get("/readyz")
    assert answer.status_code == 200
    return answer.get_json()["warnings"]


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A folder that was there, and whose state the file system now has no answer about."""
    (tmp_path / "photos").symlink_to(tmp_path)
    return tmp_path / "photos"


def lead_astray(folder: Path) -> None:
    """As a folder whose share is gone, or that is closed to this user: Python before 3.14 raises."""
    folder.unlink()
    folder.symlink_to("x" * 300)


def test_an_image_root_that_cannot_be_looked_at(studio: Studio, unreadable: Path) -> None:
    studio.images = open_images(str(unreadable))
    assert warnings(studio) == []
    lead_astray(unreadable)
    assert warnings(studio) == [f"The folder {unreadable} is gone: pictures cannot be shown."]


def test_an_image_root_that_cannot_be_set_up(studio: Studio) -> None:
    studio.images = open_images("nonsense://shop")
    (warning,) = warnings(studio)
    assert "nonsense://shop cannot be used" in warning


def test_an_import_root_that_is_closed_is_none(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "photos").mkdir(parents=True)
    closed.chmod(0)
    for root in (str(closed / "photos"), str(tmp_path / ("x" * 300))):
        with another_user(), pytest.raises(SettingsInvalid, match="names no folder"):
            _import_roots(Settings(import_roots=(root,)))
    closed.chmod(0o700)


@contextmanager
def another_user() -> Iterator[None]:
    """Root may look everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_disk_that_cannot_be_looked_at_is_left_out(unreadable: Path) -> None:
    lead_astray(unreadable)
    assert nearly_full([unreadable]) == []
