"""In step with files: moved photos stay the same garment, and none is removed by mistake."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from service import watch
from service.catalog import Loader
from service.curate import add_garment
from service.errors import PruneRefused
from service.extent import Gone
from service.images import open_images
from service.ingest import ingest
from service.model import Model
from service.studio import Studio
from service.summary import Summary
from service.watch import Keeping, Watcher
from tests.catalog.samples import row
from tests.pictures import encoded, picture
from tests.test_cli import assert_one_line, run
from tests.test_ingest import counts, write_table

READ = Path.read_bytes
IDS = "SELECT image_path, id FROM garment ORDER BY id"


def ids(studio: Studio) -> dict[str, int]:
    with studio.engine.connect() as connection:
        return dict(connection.execute(text(IDS)).all())


@pytest.fixture
def folder(studio: Studio, tmp_path: Path) -> Path:
    """A folder of one folder for each category, with six photos, taken in."""
    folder = tmp_path / "photos"
    for number in range(6):
        file = folder / ("tee" if number % 2 else "dress") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(picture(60, 80, number)))
        os.utime(file, (1e9, 1e9))
    studio.images = open_images(str(tmp_path))
    assert counts(ingest(studio, folder)) == (6, 6, 0, 0, 0)
    return folder


def pruning(gone: Gone) -> list[str]:
    return gone.prune()


def test_a_renamed_folder_keeps_its_ids_and_the_network_is_not_run(
    studio: Studio, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids(studio)
    (folder / "dress" / "summer").mkdir()
    for file in (folder / "dress").glob("*.png"):
        file.rename(folder / "dress" / "summer" / file.name)
    monkeypatch.setattr(Model, "predict", None)
    dry = ingest(studio, folder, dry_run=True)
    assert (counts(dry), dry.moved) == ((6, 0, 3, 3, 0), 3)
    assert ids(studio) == before
    summary = ingest(studio, folder)
    assert (counts(summary), summary.moved, summary.gone) == ((6, 0, 3, 3, 0), 3, [])
    assert ids(studio) == {
        path.replace("dress/", "dress/summer/"): number for path, number in before.items()
    }
    assert counts(ingest(studio, folder)) == (6, 0, 0, 6, 0)


def test_a_photo_moved_to_another_category_is_relabelled(studio: Studio, folder: Path) -> None:
    before = ids(studio)
    (folder / "dress" / "0.png").rename(folder / "tee" / "0.png")
    summary = ingest(studio, folder)
    assert (counts(summary), summary.moved) == ((6, 0, 1, 5, 0), 1)
    assert ids(studio)["photos/tee/0.png"] == before["photos/dress/0.png"]
    with studio.engine.connect() as connection:
        label = "SELECT label FROM garment WHERE image_path = 'photos/tee/0.png'"
        assert connection.scalar(text(label)) == "Tee"


def test_a_copy_is_another_garment(studio: Studio, folder: Path) -> None:
    before = ids(studio)
    shutil.copy(folder / "tee" / "1.png", folder / "tee" / "copy.png")
    assert counts(ingest(studio, folder)) == (7, 1, 0, 6, 0)
    assert ids(studio).items() > before.items()


def test_only_what_is_gone_from_this_source_is_pruned(studio: Studio, folder: Path) -> None:
    """Not what came over HTTP, from another folder, or without a photo."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.png").write_bytes(encoded(picture(60, 80, 100)))
    ingest(studio, elsewhere)
    (elsewhere / "a.png").unlink()
    uploaded, _ = add_garment(studio, encoded(picture(60, 80, 101)))
    (folder.parent / uploaded.image_path).unlink()
    Loader(studio.engine, studio.model_id).write([row("photos/imported.png", content_sha256=None)])
    before = ids(studio)
    (folder / "tee" / "1.png").unlink()
    summary = ingest(studio, folder)
    assert (summary.gone, summary.pruned) == (["photos/tee/1.png"], [])
    assert ids(studio) == before
    assert ingest(studio, folder, prune=pruning).pruned == ["photos/tee/1.png"]
    del before["photos/tee/1.png"]
    assert ids(studio) == before
    # Uploads lie in the image root, and are not a source's even where that is the source
    root = Gone(studio.engine, studio.images, folder.parent)
    assert [garment.image_path for garment in root.garments] == ["elsewhere/a.png"]
    assert root.total == 6


def test_a_table_prunes_files_that_are_gone_and_not_lines(studio: Studio, folder: Path) -> None:
    lines = [{"image_name": f"tee/{n}.png", "category_label": "Tee"} for n in (1, 3)]
    table = write_table(folder / "some.csv", lines)
    (folder / "tee" / "5.png").unlink()
    summary = ingest(studio, table, prune=pruning)
    assert summary.pruned == ["photos/tee/5.png"]
    assert len(ids(studio)) == 5


def test_an_empty_folder_prunes_nothing(studio: Studio, folder: Path) -> None:
    """As where a disk is not mounted."""
    before = ids(studio)
    folder.rename(folder.with_name("away"))
    folder.mkdir()
    with pytest.raises(PruneRefused, match=r"6 of the 6 .*more than half.*--more-than-half"):
        ingest(studio, folder, prune=pruning)
    assert ids(studio) == before
    meant = ingest(studio, folder, prune=lambda gone: gone.prune(more_than_half=True))
    assert len(meant.pruned) == 6
    assert ids(studio) == {}


def test_a_photo_that_is_back_is_not_pruned(studio: Studio, folder: Path) -> None:
    file = folder / "tee" / "1.png"
    file.rename(folder / "1.hidden")
    gone = Gone(studio.engine, studio.images, folder)
    (folder / "1.hidden").rename(file)
    assert gone.prune() == []
    assert len(ids(studio)) == 6


def test_the_command_asks_or_wants_a_flag(
    studio: Studio, folder: Path, environment: dict[str, str]
) -> None:
    place = {"FASHION_STUDIO_IMAGE_ROOT": str(folder.parent)}
    (folder / "tee" / "1.png").unlink()
    assert_one_line(run("ingest", folder, "--prune", **place), 2, "--yes")
    assert_one_line(run("ingest", folder, "--yes", **place), 2, "--prune")
    assert "--prune removes them" in run("ingest", folder, **place).stderr
    dry = json.loads(run("ingest", folder, "--prune", "--dry-run", "--json", **place).stdout)
    assert (dry["pruned"], dry["prunes"]) == (1, ["photos/tee/1.png"])
    assert len(ids(studio)) == 6
    done = json.loads(run("ingest", folder, "--prune", "--yes", "--json", **place).stdout)
    assert [done[key] for key in ("seen", "unchanged", "moved", "gone", "pruned")] == [
        5,
        5,
        0,
        1,
        1,
    ]
    assert len(ids(studio)) == 5
    shutil.rmtree(folder / "tee")
    shutil.rmtree(folder / "dress")
    refused = run("ingest", folder, "--prune", "--yes", **place)
    assert refused.returncode == 1
    assert "more than half" in refused.stderr
    assert len(ids(studio)) == 5


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "QUIET_SECONDS", 0.3)
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.5)


@contextmanager
def watching(studio: Studio, source: Path, **how: object) -> Iterator[list]:
    """A watcher beside the test; what it reports and says."""
    heard: list[Summary | str] = []
    stop = threading.Event()
    keeping = Keeping("given", None, 256, **how)
    watcher = Watcher(studio, source, keeping, heard.append, heard.append)
    thread = threading.Thread(target=watcher.run, args=(stop,))
    thread.start()
    try:
        until(lambda: heard, "the first look")
        yield heard
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def until(holds: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_watcher_follows_what_happens(studio: Studio, folder: Path, quick: None) -> None:
    before = ids(studio)
    with watching(studio, folder, prune=True) as heard:
        (folder / "dress" / ".7.png.swp").write_bytes(b"an editor's")
        (folder / "dress" / "new.png").write_bytes(encoded(picture(60, 80, 7)))
        until(lambda: "photos/dress/new.png" in ids(studio), "a new one")
        (folder / "dress" / "new.png").write_bytes(encoded(picture(60, 80, 8)))
        until(lambda: sum(s.updated for s in heard) == 1, "a changed one")
        (folder / "dress").rename(folder / "Dress")
        until(lambda: "photos/Dress/new.png" in ids(studio), "a renamed folder")
        assert ids(studio)["photos/Dress/0.png"] == before["photos/dress/0.png"]
        (folder / "Dress" / "new.png").unlink()
        until(lambda: "photos/Dress/new.png" not in ids(studio), "a deleted one")
        for number in range(300):
            (folder / "tee" / f"many-{number}.png").write_bytes(encoded(picture(16, 16, number)))
        until(lambda: len(ids(studio)) == 306, "many at once")
    assert all(isinstance(summary, Summary) and not summary.rejects for summary in heard)
    assert sum(summary.moved for summary in heard) == 4


@pytest.mark.parametrize("off", [0, 10, -10])
def test_a_watcher_leaves_files_alone_that_are_being_written(
    studio: Studio, folder: Path, quick: None, off: int
) -> None:
    """Also where they lie on a machine whose clock goes otherwise."""
    data = encoded(picture(60, 80, 9))
    slow = folder / "tee" / "slow.png"
    with watching(studio, folder) as heard, slow.open("wb") as file:
        for part in range(8):
            file.write(data[part * len(data) // 8 : (part + 1) * len(data) // 8])
            file.flush()
            os.utime(slow, (time.time() + off,) * 2)
            time.sleep(0.2)
        until(lambda: "photos/tee/slow.png" in ids(studio))
        assert [s.rejects for s in heard] == [[]] * len(heard)


def test_a_watcher_sees_that_a_photo_may_be_read_now(
    studio: Studio, folder: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its size nor its time says so."""
    shut = folder / "tee" / "shut.png"

    def read(file: Path) -> bytes:
        if file.name == shut.name and not file.stat().st_mode & 0o004:
            raise PermissionError(errno.EACCES, "Permission denied")
        return READ(file)

    monkeypatch.setattr(Path, "read_bytes", read)
    shut.write_bytes(encoded(picture(60, 80, 11)))
    shut.chmod(0o600)
    with watching(studio, folder) as heard:
        until(lambda: any(summary.rejects for summary in heard), "a photo that cannot be read")
        shut.chmod(0o644)
        until(lambda: "photos/tee/shut.png" in ids(studio), "one that can")


def test_a_share_that_goes_away_is_not_its_photos_fault(
    studio: Studio, folder: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()

    def read(file: Path) -> bytes:
        if away.is_set():
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return READ(file)

    monkeypatch.setattr(Path, "read_bytes", read)
    with watching(studio, folder) as heard:
        away.set()
        (folder / "tee" / "new.png").write_bytes(encoded(picture(60, 80, 12)))
        until(lambda: "Transport endpoint" in str(heard[-1]))
        away.clear()
        until(lambda: "photos/tee/new.png" in ids(studio))
    assert not any(summary.rejects for summary in heard if isinstance(summary, Summary))


def test_a_watcher_waits_for_a_folder_that_is_gone(
    studio: Studio, folder: Path, quick: None
) -> None:
    """And prunes nothing, also where an empty one is in its place."""
    before = ids(studio)
    with watching(studio, folder, prune=True) as heard:
        away = folder.rename(folder.with_name("away"))
        until(lambda: "does not exist" in str(heard[-1]))
        folder.mkdir()
        until(lambda: "more than half" in str(heard[-1]))
        folder.rmdir()
        away.rename(folder)
        (folder / "tee" / "late.png").write_bytes(encoded(picture(60, 80, 10)))
        until(lambda: "photos/tee/late.png" in ids(studio))
    assert ids(studio).items() > before.items()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_watcher_that_was_stopped_goes_on_when_called_again(
    studio: Studio, folder: Path, environment: dict[str, str], number: int
) -> None:
    place = os.environ | {"FASHION_STUDIO_IMAGE_ROOT": str(folder.parent)}
    command = [sys.executable, "-m", "service.cli", "ingest", str(folder), "--watch", "--json"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job, as these tests may be, ignores Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    process = start()
    try:
        assert json.loads(process.stdout.readline())["unchanged"] == 6
        process.send_signal(number)
        _, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 0}.get(number, -number)
    assert "Traceback" not in complaints
    (folder / "tee" / "1.png").rename(folder / "tee" / "meanwhile.png")
    process = start()
    try:
        found = json.loads(process.stdout.readline())
        assert (found["seen"], found["moved"], found["unchanged"]) == (6, 1, 5)
    finally:
        process.kill()
        process.communicate()
