"""A catalog that tests may change, and how they do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from service.images import open_images
from service.studio import Studio

from ...pictures import encoded, picture
from ..conftest import JPEG

GARMENTS = "/api/v1/garments"
OTHER = encoded(picture(200, 200, seed=5), "PNG")


@pytest.fixture
def root(studio: Studio, tmp_path: Path) -> Path:
    """An empty image root of the test's own."""
    folder = tmp_path / "root"
    folder.mkdir()
    studio.images = open_images(str(folder))
    return folder


def add(client: FlaskClient, data: bytes = JPEG, **fields: Any) -> TestResponse:
    return client.post(GARMENTS, data={"image": (io.BytesIO(data), "a.jpg")} | fields)


def pictures(root: Path) -> list[str]:
    """Every file under a root, drafts too."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def rows(studio: Studio) -> int:
    with studio.engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM garment"))
