"""A garment and its picture, when something goes wrong between the two."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from service.catalog import add_garment, delete_garment, garments_page, remove_picture
from service.domain import Garment
from service.errors import DatabaseUnavailable
from service.images import Images, open_images

from .samples import row

PATH = "uploads/a.jpg"
DATA = b"a picture"


@pytest.fixture
def root(tmp_path: Path) -> Images:
    return open_images(str(tmp_path))


@pytest.fixture
def add(engine: Engine, model_id: int, root: Images) -> Callable[[], tuple[Garment, bool]]:
    return lambda: add_one(engine, model_id, root)


def add_one(engine: Engine, model_id: int, root: Images) -> tuple[Garment, bool]:
    return add_garment(
        engine,
        model_id,
        row(PATH, content_sha256=hashlib.sha256(DATA).hexdigest()),
        put=lambda: root.put(PATH, DATA),
        take_back=lambda: root.remove(PATH),
    )


KILLED = """
import os, signal, sys
from service.catalog import open_engine
from service.catalog.loading import curation
from service.images import Images, open_images
from tests.catalog.test_curation import add_one

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

url, folder, model_id, moment = sys.argv[1:]
if moment == "writing":
    os.fsync = die
elif moment == "stored":
    curation.insert = die
add_one(open_engine(url), int(model_id), open_images(folder))
if moment == "done":
    die()
"""


@pytest.mark.parametrize(
    ("moment", "garments", "files"),
    [("writing", 0, [".a.jpg.draft"]), ("stored", 0, ["a.jpg"]), ("done", 1, ["a.jpg"])],
)
def test_a_service_that_is_killed_leaves_nothing_half_written(
    engine: Engine,
    database_url: str,
    model_id: int,
    add: Callable[[], tuple[Garment, bool]],
    tmp_path: Path,
    moment: str,
    garments: int,
    files: list[str],
) -> None:
    arguments = [database_url, str(tmp_path), str(model_id), moment]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(garments_page(engine)[0]) == garments
    assert os.listdir(tmp_path / "uploads") == files

    _, new = add()
    assert new is (garments == 0)
    assert len(garments_page(engine)[0]) == 1
    assert os.listdir(tmp_path / "uploads") == ["a.jpg"]


def test_a_commit_of_unknown_outcome_keeps_the_picture(
    engine: Engine, add: Callable[[], tuple[Garment, bool]], root: Images
) -> None:
    """The row may be there: a picture without a garment is harmless, the reverse is not."""

    def lose(connection: object) -> None:
        raise DatabaseUnavailable()

    event.listen(engine, "commit", lose)
    try:
        with pytest.raises(DatabaseUnavailable):
            add()
    finally:
        event.remove(engine, "commit", lose)
    assert root.read(PATH) == DATA
    assert add()[1] is True


def test_adding_and_removing_at_once_agree_in_the_end(
    engine: Engine, add: Callable[[], tuple[Garment, bool]], root: Images, tmp_path: Path
) -> None:
    """Threads add and remove the same picture: it is there exactly if its garment is."""
    faults: list[BaseException] = []

    def turn() -> None:
        try:
            for _ in range(30):
                garment, new = add()
                if new:
                    assert delete_garment(engine, garment.id) == PATH
                    remove_picture(engine, PATH, lambda: root.remove(PATH))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=turn) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    found = bool(garments_page(engine)[0])
    assert (tmp_path / PATH).exists() == found
    with engine.connect() as connection:
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
        own = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        assert connection.scalar(text(locks + own)) == 0
