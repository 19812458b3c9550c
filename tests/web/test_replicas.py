"""The real server beside a real standby: which of the two databases answers, also when one of them dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from service.catalog import Loader, Row, category_names, open_engine
from service.settings import Settings
from service.studio import Studio

from ..clusters import Cluster, clusters, copies
from .serving import Server, multipart, ready_server, wait_for

LAG = 8


@pytest.fixture(scope="module")
def made(server_url: str, home: Path, rows: list[Row]) -> Iterator[tuple[Cluster, Cluster]]:
    """A primary with 33 garments, and its standby; both stopped."""
    with clusters("primary", "standby") as (primary, standby):
        primary.create_catalog()
        with Studio(Settings(home=home, database_url=primary.url())) as studio:
            Loader(studio.engine, studio.model_id).write(rows)
        standby.follow(primary)
        primary.stop()
        yield primary, standby


@pytest.fixture
def servers(made: tuple[Cluster, Cluster]) -> Iterator[tuple[Cluster, Cluster]]:
    """Copies of both for a test to kill."""
    with copies(*made) as servers:
        yield servers


@pytest.fixture
def environment(servers: tuple[Cluster, Cluster], home: Path, tmp_path: Path) -> dict[str, str]:
    """The primary is whichever of both can be written; the standby is the replica."""
    primary, standby = servers
    return {
        "FASHION_STUDIO_HOME": str(home),
        "FASHION_STUDIO_DATABASE_URL": f"{primary.url()}&host={standby.folder}",
        "FASHION_STUDIO_REPLICA_URL": standby.url(),
        "FASHION_STUDIO_REPLICA_LAG_SECONDS": str(LAG),
        "FASHION_STUDIO_IMAGE_ROOT": str(tmp_path),
        "FASHION_STUDIO_ACCESS": "open",
    }


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    with ready_server(**environment) as server:
        wait_for(lambda: warnings(server) == [])
        yield server


@pytest.fixture
def standby(servers: tuple[Cluster, Cluster]) -> Iterator[Engine]:
    engine = open_engine(servers[1].url())
    yield engine
    engine.dispose()


def warnings(server: Server) -> list[str]:
    return [said for said in server.ask("GET", "/readyz")[1]["warnings"] if "replica" in said]


def similar(server: Server, garment: int) -> tuple[int, Any]:
    status, said, _ = server.ask("GET", f"/api/v1/garments/{garment}/similar?label=any")
    return status, [m["id"] for m in said["matches"]] if status == 200 else said["code"]


def execute(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))


def reads(server: Server) -> dict[str, float]:
    """Who answered how many, and how far the replica is behind."""
    lines = server.ask("GET", "/metrics")[1].splitlines()
    return {
        kind: sum(float(line.split()[-1]) for line in lines if line.startswith(start))
        for kind, start in (
            ("replica", 'fashion_studio_reads_total{answered_by="replica"}'),
            ("primary", 'fashion_studio_reads_total{answered_by="primary"}'),
            ("lag", "fashion_studio_replica_lag_seconds{"),
        )
    }


def load(server: Server, seconds: float) -> tuple[Counter[Any], list[Any]]:
    """What eight clients were answered, and what of it was wrong."""
    right = {garment: similar(server, garment)[1] for garment in range(1, 34)}
    turn, wrong = iter(range(10**9)), []

    def ask() -> int:
        garment = next(turn) % 33 + 1
        status, found = similar(server, garment)
        if status == 200 and found != right[garment]:
            wrong.append((garment, found))
        return status

    return server.load(8, ask, seconds=seconds), wrong


def test_reads_go_to_the_replica_and_who_wrote_sees_it(
    server: Server, standby: Engine, drawn: Path
) -> None:
    before = reads(server)
    for garment in range(1, 34):
        assert similar(server, garment)[0] == 200
    photo = next(drawn.glob("images/*.jpg")).read_bytes()
    assert server.ask("POST", "/api/v1/similar?label=any", multipart(photo))[0] == 200
    assert server.ask("GET", "/api/v1/analytics/categories")[0] == 200
    after = reads(server)
    assert (after["replica"] - before["replica"], after["primary"]) == (35, before["primary"])
    assert after["lag"] < LAG

    execute(standby, "SELECT pg_wal_replay_pause()")
    try:
        garments = "/api/v1/garments"
        status, added, headers = server.ask("POST", garments, multipart(photo + b"!"))
        assert status == 201
        newest = f"{garments}?order=newest&limit=1"
        cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
        assert server.ask("GET", newest, headers=cookie)[1]["garments"] == [added]
        assert server.ask("GET", newest)[1]["garments"][0]["id"] == 33
        assert server.ask("GET", f"{garments}/{added['id']}")[1] == added
        assert similar(server, added["id"])[0] == 200
        wait_for(lambda: warnings(server) != [], LAG + 5)
        assert "s behind" in warnings(server)[0]
        assert server.ask("GET", newest)[1]["garments"] == [added]
    finally:
        execute(standby, "SELECT pg_wal_replay_resume()")
    wait_for(lambda: warnings(server) == [])
    assert server.ask("DELETE", f"{garments}/{added['id']}")[0] == 204


def test_a_replica_killed_under_load_fails_no_request(
    server: Server, servers: tuple[Cluster, Cluster]
) -> None:
    threading.Timer(2, servers[1].kill).start()
    answers, wrong = load(server, 6)
    assert (answers.keys(), wrong) == ({200}, [])
    assert "does not answer" in warnings(server)[0]
    servers[1].start()
    wait_for(lambda: warnings(server) == [])
    before = reads(server)["replica"]
    assert similar(server, 1)[0] == 200
    assert reads(server)["replica"] > before


def test_while_the_primary_is_away_reads_find_nothing_and_pages_show(
    server: Server, servers: tuple[Cluster, Cluster], standby: Engine, drawn: Path
) -> None:
    primary = open_engine(servers[0].url())
    with primary.begin() as connection:  # as where it went with a model that knew it
        connection.execute(text("DELETE FROM garment WHERE 'Tee' IN (label, predicted_label)"))
        connection.execute(text("DELETE FROM category WHERE name = 'Tee'"))
    primary.dispose()
    wait_for(lambda: "Tee" not in category_names(standby))
    servers[0].kill()
    photo = multipart(next(drawn.glob("images/*.jpg")).read_bytes())
    status, said, _ = server.ask("POST", "/api/v1/similar?label=any&min_similarity=1", photo)
    assert (status, said["matches"]) == (200, [])
    assert server.ask("GET", "/catalog")[0] == 200


def test_the_primary_killed_under_load_and_the_standby_promoted(
    server: Server, servers: tuple[Cluster, Cluster], drawn: Path
) -> None:
    """Searches go on all the while; writes and jobs do from the promotion on, without a restart."""
    primary, standby = servers
    photo = next(drawn.glob("images/*.jpg")).read_bytes()
    written: list[tuple[float, int]] = []
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(0.2):
            body = multipart(photo, field="images")
            written.append((time.monotonic(), server.ask("POST", "/api/v1/sets", body)[0]))

    writing = threading.Thread(target=write)
    writing.start()
    killed = time.monotonic() + 2
    threading.Timer(2, primary.kill).start()
    threading.Timer(5, standby.promote).start()
    answers, wrong = load(server, 12)
    ended.set()
    writing.join()
    assert (answers.keys(), wrong) == ({200}, [])
    assert {status for _, status in written} == {201, 503}
    assert {status for moment, status in written if moment > killed + 8} == {201}
    report = "/api/v1/analytics/duplicates"
    assert server.ask("POST", f"{report}/refresh", b"")[0] == 202
    wait_for(lambda: server.ask("GET", report)[1]["made_at"] is not None, 90)
    wait_for(lambda: warnings(server) == [])


def test_doctor_says_how_far_behind_it_is(
    environment: dict[str, str], servers: tuple[Cluster, Cluster]
) -> None:
    def doctor() -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", "from service.cli import main; main()", "doctor", "--json"],
            env=os.environ | environment, capture_output=True, text=True,
        )  # fmt: skip
        checks = json.loads(done.stdout)["checks"]
        return next(check for check in checks if check["check"] == "replicas")

    found = doctor()
    assert found["ok"], found
    assert found["detail"].endswith("s behind")
    servers[1].kill()
    found = doctor()
    assert not found["ok"]
    assert "does not answer" in found["detail"]
