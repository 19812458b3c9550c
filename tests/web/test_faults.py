"""What goes wrong around the real server: its database dies, its processes are killed, pictures lie."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, text

from service.catalog import Loader, Row, get_import
from service.encoder import Encoder
from service.jobs import STALLED_SECONDS
from service.settings import Settings
from service.studio import Studio

from ..test_jobs import let_time_pass
from .mutations import mutations
from .serving import Server, multipart, ready_server, wait_for


@pytest.fixture
def photos(drawn: Path) -> list[bytes]:
    return [photo.read_bytes() for photo in sorted(drawn.glob("images/*.jpg"))]


def matches(server: Server, photo: bytes, **headers: str) -> tuple[int, Any]:
    status, document, _ = server.ask(
        "POST", "/api/v1/similar?label=any", multipart(photo), headers=headers
    )
    return status, [m["id"] for m in document["matches"]] if status == 200 else document["code"]


@pytest.fixture
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> Iterator[Path]:
    """A data folder with an embedded server of the test's own; the model is converted already.

    Not in pytest's folder, which is closed to the user that Postgres runs as where root tests.
    """
    folder = Path(tempfile.mkdtemp(prefix="fashion-studio-fault-"))
    (folder / "models").symlink_to(home / "models")
    monkeypatch.setenv("FASHION_STUDIO_HOME", str(folder))
    monkeypatch.delenv("FASHION_STUDIO_DATABASE_URL", raising=False)
    yield folder
    with_postmaster(folder, lambda process: process.kill())
    shutil.rmtree(folder, ignore_errors=True)


def with_postmaster(home: Path, act: Any) -> None:
    pid_file = home / "postgres" / "postmaster.pid"
    if pid_file.exists() and psutil.pid_exists(pid := int(pid_file.read_text().split()[0])):
        act(psutil.Process(pid))


def test_the_database_is_killed_under_load_and_comes_back(
    own_home: Path, rows: list[Row], photos: list[bytes]
) -> None:
    """Answers are right or 503, and right again without a restart of the service: its worker starts
    the embedded server anew."""
    with Studio(Settings(home=own_home)) as studio:
        Loader(studio.engine, studio.model_id).write(rows)
    with ready_server() as server:
        right = [matches(server, photo)[1] for photo in photos[:8]]
        wrong: list[Any] = []
        turn = iter(range(10**9))

        def ask() -> int:
            number = next(turn) % len(right)
            status, found = matches(server, photos[number])
            if status != 200:
                time.sleep(0.1)
            if found != right[number] and found not in ("database_unavailable", "overloaded"):
                wrong.append((status, found))
            return status

        kill = threading.Timer(
            1.5, with_postmaster, (own_home, lambda process: process.send_signal(signal.SIGQUIT))
        )
        kill.start()
        answers = server.load(6, ask, seconds=6)
        assert wrong == []
        assert answers.keys() == {200, 503}
        wait_for(server.ready, 60)
        assert [matches(server, photo)[1] for photo in photos[:8]] == right


def test_the_service_is_killed_during_an_import_and_started_again(
    catalog: Engine, photos: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garments, record and job agree at every moment, and the import ends where it should."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(12):
        for place, photo in enumerate(photos):
            (source / f"{number}-{place}.jpg").write_bytes(photo)
    monkeypatch.setenv("FASHION_STUDIO_IMPORT_ROOTS", str(tmp_path))
    before = count(catalog)
    with ready_server() as server:
        body = f'{{"source": "{source}", "labels": "predicted"}}'.encode()
        kind = {"Content-Type": "application/json"}
        status, run, headers = server.ask("POST", "/api/v1/imports", body, headers=kind)
        assert (status, headers["Location"]) == (202, f"/api/v1/imports/{run['id']}")
        wait_for(lambda: server.ask("GET", f"/api/v1/imports/{run['id']}")[1]["done"] > 0)
        family = psutil.Process(server.process.pid).children(recursive=True)
        for process in (psutil.Process(server.process.pid), *family):
            process.kill()
        psutil.wait_procs(family, timeout=10)
    half = get_import(catalog, run["id"])
    assert half.state == "running"
    assert half.seen == half.added == count(catalog) - before < 396
    let_time_pass(catalog, STALLED_SECONDS)
    with ready_server() as server:
        path = f"/api/v1/imports/{run['id']}"
        wait_for(lambda: server.ask("GET", path)[1]["state"] == "done", 90)
        done = server.ask("GET", path)[1]
        assert (done["done"], done["total"], done["added"]) == (396, 396, 396)
        assert server.ask("GET", "/api/v1/imports")[1]["imports"][0]["id"] == run["id"]
    assert count(catalog) == before + 396


def test_two_services_on_one_database(catalog: Engine, photos: list[bytes]) -> None:
    """Both answer the same, and what one of them stores the other shows."""
    with ready_server() as one, ready_server("--no-worker") as other:
        assert matches(one, photos[3]) == matches(other, photos[3])
        stored = one.ask("POST", "/api/v1/sets", multipart(photos[0], field="images"))[1]
        assert other.ask("GET", f"/api/v1/sets/{stored['id']}")[1] == stored
        assert other.ask("DELETE", f"/api/v1/sets/{stored['id']}")[0] == 204
        assert one.ask("GET", f"/api/v1/sets/{stored['id']}")[0] == 404


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 1 MiB of its own."""
    folder = Path(tempfile.mkdtemp(prefix="fashion-studio-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a small file system needs the right to mount one")
    yield folder
    # Lazily: a process of a server that was killed may live for a moment, with files open
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_is_said_and_loses_nothing(
    catalog: Engine, photos: list[bytes], small_disk: Path
) -> None:
    """Garments are added until their pictures fill the disk: each is whole, or it is not there."""
    with ready_server("--no-worker", FASHION_STUDIO_IMAGE_ROOT=str(small_disk)) as server:
        added: dict[int, str] = {}
        while len(added) < 200:
            photo = photos[len(added) % len(photos)] + bytes([len(added)]) * 20_000
            status, said, _ = server.ask("POST", "/api/v1/garments", multipart(photo))
            if status != 201:
                break
            added[said["id"]] = said["image_path"]
        assert (status, said["code"]) == (507, "storage_full")
        assert added
        on_disk = {str(p.relative_to(small_disk)) for p in small_disk.rglob("*") if p.is_file()}
        assert on_disk == set(added.values())
        with catalog.connect() as connection:
            newest = connection.scalar(text("SELECT max(id) FROM garment"))
        assert newest == max(added)
        assert matches(server, photos[0])[0] == 200
        gone = min(added)
        assert server.ask("DELETE", f"/api/v1/garments/{gone}")[0] == 204
        assert server.ask("POST", "/api/v1/garments", multipart(photo))[0] == 201


def test_a_full_disk_for_bodies_ends_nothing(
    catalog: Engine, photos: list[bytes], small_disk: Path
) -> None:
    """Large photos are read into files, and those who count for Prometheus do so in files as well."""
    large = photos[0] + b"\0" * 3_000_000
    with ready_server("--no-worker", TMPDIR=str(small_disk)) as server:
        workers = [child.pid for child in psutil.Process(server.process.pid).children()]
        for path, field in (("classify", "image"), ("garments", "image"), ("sets", "images")):
            body = multipart(large, field=field)
            status, said, _ = server.ask("POST", f"/api/v1/{path}", body)
            assert (status, said["code"]) == (507, "storage_full")
        with suppress(OSError), (small_disk / "full").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))
        for path in ("garments/1", "garments/x", "garments?x=1", "imports/1", "feedback", "sets/1"):
            for method in ("GET", "PUT", "DELETE"):
                server.ask(method, f"/api/v1/{path}")
        assert matches(server, photos[0])[0] == 200
        assert [child.pid for child in psutil.Process(server.process.pid).children()] == workers


def test_mutated_pictures_never_break_it(catalog: Engine, photos: list[bytes]) -> None:
    survive(photos, 280)


def survive(photos: list[bytes], count: int) -> Counter[Any]:
    """Truncations, flipped bits, wrong names, bombs: not one 5xx, and the same process afterwards."""
    with ready_server("--no-worker") as server:
        workers = [child.pid for child in psutil.Process(server.process.pid).children()]
        right = matches(server, photos[0])
        pictures = mutations(photos, count)
        lock = threading.Lock()

        def ask() -> int:
            with lock:
                name, data = next(pictures)
            name = name.replace("\0", "%00")
            if len(data) % 3 == 0:
                body = multipart(data, field="images", name=name)
                return server.ask("POST", "/api/v1/sets", body)[0]
            return server.ask("POST", "/api/v1/similar", multipart(data, name=name))[0]

        answers = server.load(4, ask, requests=count // 4)
        assert answers.total() == count // 4 * 4
        assert [status for status in answers if not isinstance(status, int) or status >= 500] == []
        assert answers[422] > count // 5
        assert answers[201] > count // 10
        assert [child.pid for child in psutil.Process(server.process.pid).children()] == workers
        assert matches(server, photos[0]) == right
    return answers


def test_every_answer_under_load_is_the_exact_one(catalog: Engine, photos: list[bytes]) -> None:
    with ready_server("--no-worker") as server:
        right = [matches(server, photo) for photo in photos]
        wrong: list[Any] = []
        turn = iter(range(10**9))

        def ask() -> int:
            number = next(turn) % len(photos)
            found = matches(server, photos[number])
            if found != right[number]:
                wrong.append(found)
            return found[0]

        answers = server.load(16, ask, seconds=4)
        assert wrong == []
        assert set(answers) == {200}


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM garment")) or 0
