"""The real server over a drawn catalog, for those who ask it from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from service.catalog import Loader, Row, queue_import
from service.keys import create_key
from service.settings import Settings
from service.studio import Studio

from ..conftest import _database
from .serving import COMMAND, free_port, wait_until_ready

# Those that the document has for examples
AMONG = """
    CREATE TABLE among_in_stock AS SELECT image_path FROM garment WHERE id % 2 = 1;
    CREATE TABLE among_under_50 AS SELECT image_path FROM garment
"""


@dataclass(frozen=True)
class Live:
    """Where it is, a key that may do everything, and the folder of its pictures."""

    url: str
    key: str
    root: Path


@pytest.fixture(scope="module")
def live(
    administrator: Engine,
    template: str,
    home: Path,
    drawn: Path,
    rows: list[Row],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:
    """33 garments, ids from 1, of which those of odd ids are in stock, and three imports that wait: one
    server for the tests of a module."""
    folder = tmp_path_factory.mktemp("live")
    root = shutil.copytree(drawn, folder / "pictures")
    for url in _database(administrator, template):
        with Studio(Settings(home=home, database_url=url, image_root=str(root))) as studio:
            Loader(studio.engine, studio.model_id).write(rows)
            with studio.engine.begin() as connection:
                connection.execute(text(AMONG))
            for _ in range(3):
                source = str(root / "garments.csv")
                queue_import(studio.engine, source=source, labels="given", enqueue=lambda *_: None)
            key, _ = create_key(studio.engine, "test", ["admin"])
        environment = {
            "FASHION_STUDIO_HOME": str(home),
            "FASHION_STUDIO_DATABASE_URL": url,
            "FASHION_STUDIO_IMAGE_ROOT": str(root),
            "FASHION_STUDIO_IMPORT_ROOTS": str(root),
        }
        port = free_port()
        with (folder / "log").open("wb") as log:  # a pipe that nobody reads would fill up
            process = subprocess.Popen(
                [*COMMAND, str(port)], stdout=log, stderr=log, env=os.environ | environment
            )
            try:
                wait_until_ready(port, process)
                yield Live(f"http://127.0.0.1:{port}", key, root)
            finally:
                process.terminate()
                process.wait(30)
