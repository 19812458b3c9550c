"""The real server over a drawn catalog, for those who ask it from outside."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.catalog import Loader, Row, queue_import
from service.keys import create_key
from service.studio import Studio

from .serving import COMMAND, free_port, wait_until_ready


@dataclass(frozen=True)
class Live:
    """Where it is, a key that may do everything, and the folder of its pictures."""

    url: str
    key: str
    root: Path


@pytest.fixture
def live(
    environment: dict[str, str],
    studio: Studio,
    rows: list[Row],
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Live]:
    root = tmp_path / "pictures"
    shutil.copytree(drawn, root)
    monkeypatch.setenv("FASHION_STUDIO_IMAGE_ROOT", str(root))
    monkeypatch.setenv("FASHION_STUDIO_IMPORT_ROOTS", str(root))
    Loader(studio.engine, studio.model_id).write(rows)
    for _ in range(3):
        source = str(root / "garments.csv")
        queue_import(studio.engine, source=source, labels="given", enqueue=lambda *_: None)
    key, _ = create_key(studio.engine, "test", ["admin"])
    port = free_port()
    with (tmp_path / "log").open("wb") as log:  # a pipe that nobody reads would fill up
        process = subprocess.Popen([*COMMAND, str(port)], stdout=log, stderr=log)
        try:
            wait_until_ready(port, process)
            yield Live(f"http://127.0.0.1:{port}", key, root)
        finally:
            process.terminate()
            process.wait(30)
