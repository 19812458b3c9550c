"""Real bundles, and a catalog that goes from one to the other."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from service import recommend
from service.catalog import (
    Loader,
    Row,
    only_switcher,
    start_switch,
)
from service.recommend import Query
from service.settings import Settings
from service.studio import Studio
from service.switch import Options, prepare, work_on

from ...bundles import write_variant

CLI = [sys.executable, "-m", "service.cli"]
PHOTOS = 33
NEAR = 2e-3  # between similarities of one model; two models differ by much more


@pytest.fixture(scope="session")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose embeddings are others."""
    folder = tmp_path_factory.mktemp("bundles") / "noisy"
    write_variant(folder, "noisy", noise=0.3)
    return folder


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    """Photos of the test's own."""
    return Path(shutil.copytree(drawn, tmp_path / "photos"))


@pytest.fixture
def settings(settings: Settings, root: Path, tmp_path: Path, home: Path) -> Settings:
    """A home of the test's own, where converted networks are those of all tests."""
    own = tmp_path / "home"
    own.mkdir()
    (own / "models").symlink_to(home / "models")
    return settings.model_copy(update={"image_root": str(root), "home": own})


@pytest.fixture
def studio(studio: Studio, rows: list[Row]) -> Studio:
    Loader(studio.engine, studio.model_id).write(rows)
    return studio


def switch(studio: Studio, target: Path | str, **options: Any) -> Any:
    record = prepare(studio, str(target))
    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options(**options).as_dict())
        found = work_on(studio, begun)
    studio.follow()
    return found


def photo(root: Path, number: int) -> bytes:
    return sorted((root / "images").glob("*.jpg"))[number].read_bytes()


def ask(studio: Studio, data: bytes) -> Any:
    model = studio.model
    return recommend.similar_to_photo(studio, model.decode(data), Query(n=3, label="any"), model)


def environment_of(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "FASHION_STUDIO_HOME": str(settings.home),
        "FASHION_STUDIO_DATABASE_URL": str(settings.database_url),
        "FASHION_STUDIO_IMAGE_ROOT": str(settings.image_root),
    }


def table_of(root: Path, *names: str) -> Path:
    table = root / "more.csv"
    table.write_text("image_name\n" + "".join(f"{name}\n" for name in names))
    return table
