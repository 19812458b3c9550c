"""What runs out: connections of the database, those of a process, the files that it may have open."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection

import psutil
import pytest
from sqlalchemy import Engine, text

from service.catalog import open_engine

from ..catalog.waiting import WAITING
from .conftest import JPEG
from .serving import Server, free_port, multipart, ready_server, served, wait_for, wait_until_ready
from .test_faults import matches, photos

__all__ = ["photos"]

LARGE = JPEG + b"\0" * 600_000  # beyond what a form keeps in memory
POOL = 19  # connections of a process
IMPATIENT = "from service.catalog.database import engine; engine.POOL_SECONDS = 1\n"
FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({}, {}))\n"


def test_no_connection_left_is_a_503(catalog: Engine, photos: list[bytes]) -> None:
    """Others hold every connection that the database allows a role; later there are some again."""
    database = catalog.url.database
    with catalog.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (
            "CREATE ROLE guest LOGIN CONNECTION LIMIT 3",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO guest",
            f"GRANT ALL ON DATABASE {database} TO guest",
        ):
            connection.execute(text(statement))
    guest = open_engine(catalog.url.set(username="guest").render_as_string(hide_password=False))
    url = guest.url.render_as_string(hide_password=False)
    try:
        with ready_server("--no-worker", FASHION_STUDIO_DATABASE_URL=url) as server:
            right = matches(server, photos[0])
            assert right[0] == 200
            with catalog.connect() as connection:  # the server must ask for new ones
                connection.execute(text("ALTER ROLE guest CONNECTION LIMIT 0"))
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                        " WHERE usename = 'guest'"
                    )
                )
                connection.commit()
            answers = server.load(4, lambda: matches(server, photos[0])[0], requests=3)
            assert set(answers) == {503}
            with catalog.begin() as connection:
                connection.execute(text("ALTER ROLE guest CONNECTION LIMIT 3"))
            wait_for(server.ready)
            assert matches(server, photos[0]) == right
    finally:
        guest.dispose()
        with catalog.begin() as connection:
            connection.execute(text("DROP OWNED BY guest"))
            connection.execute(text("DROP ROLE guest"))


def test_a_pool_that_is_used_up_is_a_503(catalog: Engine, photos: list[bytes]) -> None:
    """Every connection of the process waits for a lock: others are refused, none gets a 500, and what
    Prometheus asks for is answered."""
    with (
        ready_server("--no-worker", before=IMPATIENT, FASHION_STUDIO_REQUEST_SECONDS="4") as server,
        ThreadPoolExecutor(1) as beside,
        catalog.connect().execution_options(isolation_level="AUTOCOMMIT") as other,
    ):
        with catalog.begin() as connection:
            connection.execute(text("LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"))
            load = beside.submit(server.load, 24, lambda: matches(server, photos[0])[1], requests=1)
            wait_for(lambda: other.scalar(WAITING) >= POOL - 1)  # one may look which model serves
            status, numbers, _ = server.ask("GET", "/metrics")
            answers = load.result()
        assert answers.keys() == {"timeout", "overloaded"}
        assert status == 200
        assert "fashion_studio_database_up 0.0" in numbers
        assert "fashion_studio_in_flight_limit 32.0" in numbers
        wait_for(server.ready)
        assert matches(server, photos[0])[0] == 200


def photos_at_once(server: Server, count: int) -> tuple[int, str | None]:
    """The status of a set of so many large photos, and the code of a refusal."""
    end = b"--x--\r\n"
    part = multipart(LARGE, field="images").removesuffix(end)
    status, said, _ = server.ask("POST", "/api/v1/sets", part * count + end)
    return status, said.get("code")


def pids(server: Server) -> list[int]:
    return [child.pid for child in psutil.Process(server.process.pid).children()]


@pytest.mark.usefixtures("catalog")
def test_it_may_have_more_files_open_than_programs_have_by_default() -> None:
    with ready_server("--no-worker", before=FILES.format(128, 4096)) as server:
        workers = pids(server)
        assert photos_at_once(server, 150) == (201, None)
        assert pids(server) == workers


@pytest.mark.usefixtures("catalog")
def test_no_file_that_may_be_opened_is_a_503() -> None:
    """Also for who connects meanwhile: they wait, and no process ends."""
    with ready_server("--no-worker", before=FILES.format(128, 128)) as server:
        workers = pids(server)
        assert photos_at_once(server, 150) == (503, "overloaded")
        connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(150)]
        time.sleep(0.5)
        for connection in connections:
            connection.close()
        wait_for(server.ready)
        assert photos_at_once(server, 5) == (201, None)
        assert pids(server) == workers


@pytest.mark.usefixtures("catalog")
def test_connections_are_kept_however_many_threads_there_are() -> None:
    port = free_port()
    with served(port, "--no-worker", "--threads", "1024") as process:
        wait_until_ready(port, process)
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            for _ in range(2):
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                answer.read()
                assert answer.headers.get("Connection") == "keep-alive"
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert "keepalive" not in said
