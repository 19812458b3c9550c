"""The real server over a catalog of drawn garments, for a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from service.catalog import Loader, Row, open_engine
from service.settings import Settings
from service.studio import Studio

from ...conftest import _database
from ..serving import COMMAND, free_port, wait_until_ready


@dataclass(frozen=True)
class Site:
    """Where it is, the folder of its pictures, and its database."""

    url: str
    root: Path
    database_url: str

    def rows(self, sql: str, /, **values: object) -> list[tuple[Any, ...]]:
        """What its database answers; for a statement without rows, none."""
        engine = open_engine(self.database_url)
        try:
            with engine.begin() as connection:
                found = connection.execute(text(sql), values)
                return [tuple(row) for row in found] if found.returns_rows else []
        finally:
            engine.dispose()


Opening = Callable[..., AbstractContextManager[Site]]


@contextmanager
def serving(
    administrator: Engine,
    template: str,
    home: Path,
    root: Path,
    rows: list[Row],
    log: Path,
    jobs: bool,
) -> Iterator[Site]:
    """A site of one's own with these garments: ids from 1, pictures in `root`. jobs: with a worker."""
    for url in _database(administrator, template):
        with Studio(Settings(home=home, database_url=url, image_root=str(root))) as studio:
            Loader(studio.engine, studio.model_id).write(rows)
        variables = {
            "FASHION_STUDIO_HOME": str(home),
            "FASHION_STUDIO_DATABASE_URL": url,
            "FASHION_STUDIO_IMAGE_ROOT": str(root),
        }
        port = free_port()
        with log.open("wb") as output:  # a pipe that nobody reads would fill up
            process = subprocess.Popen(
                [*COMMAND, str(port), *([] if jobs else ["--no-worker"])],
                stdout=output,
                stderr=output,
                env=os.environ | variables,
            )
            try:
                wait_until_ready(port, process)
                yield Site(f"http://127.0.0.1:{port}", root, url)
            finally:
                process.terminate()
                process.wait(60)


def pictures_of(drawn: Path, folder: Path) -> Path:
    """A copy of the drawn garments that a site may change."""
    return Path(shutil.copytree(drawn, folder))
