"""The real server as people start it: a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from service.encoder import Encoder

from ..test_cli import assert_one_line, run
from .conftest import JPEG
from .serving import COMMAND, SECONDS, free_port, raw, served, wait_for, wait_until_ready

QUIET = "import signal; signal.signal(signal.SIGHUP, signal.{});"  # as nohup does, or a shell
OLD = (
    QUIET.format("SIG_DFL")
    + "import service.studio; service.studio.check_server = lambda engine: ['pgvector is old.'];"
)


@pytest.mark.usefixtures("environment", "encoder")
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_serves_and_stops(stop: signal.Signals) -> None:
    port = free_port()
    with served(port, "--workers", "2", before=OLD, FASHION_STUDIO_LOG_FORMAT="json") as process:
        wait_until_ready(port, process)
        boundary = b"--x\r\nContent-Disposition: form-data; name=image; filename=a.jpg\r\n\r\n"
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/classify",
            data=boundary + JPEG + b"\r\n--x--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["labels"]
        for nonsense in (b"nonsense\r\n\r\n", b"GET /?" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n"):
            head, body = raw(port, nonsense).split(b"\r\n\r\n", 1)
            assert b"application/problem+json" in head
            assert json.loads(body)["status"] >= 400
        process.send_signal(stop)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in said
        warned, listens, *others = said.splitlines()
        assert listens == f"Fashion Studio on http://127.0.0.1:{port} (Ctrl-C stops)"
        assert json.loads(warned)["event"] == "pgvector is old."
        events = [json.loads(line) for line in others]
        assert any("Invalid request" in event["event"] for event in events)  # gunicorn's line, too


HELD = """
import time
from service.web.connections import Worker

def slowly(self, conn):
    with self.tpool._shutdown_lock:  # as the pool has it while it begins a thread
        time.sleep(2)
    return enqueue(self, conn)

enqueue, Worker.enqueue_req = Worker.enqueue_req, slowly
"""


@pytest.mark.usefixtures("environment", "encoder")
def test_ctrl_c_is_heard_while_a_connection_is_taken_in() -> None:
    port = free_port()
    with served(port, "--no-worker", before=HELD) as process:
        wait_until_ready(port, process)
        with closing(socket.create_connection(("127.0.0.1", port))) as client:
            client.sendall(b"GET ")
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert process.wait(60) == 0
            assert time.monotonic() - began < 10  # gunicorn waits for 35 s until it kills


@pytest.mark.usefixtures("environment", "encoder")
def test_ctrl_c_waits_for_no_request() -> None:
    port = free_port()
    with served(port, "--no-worker") as process:
        wait_until_ready(port, process)
        with closing(socket.create_connection(("127.0.0.1", port))) as client:
            client.sendall(
                b"POST /api/v1/classify HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf of it"
            )
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            _, said = process.communicate(timeout=60)
            assert time.monotonic() - began < 5
    assert process.returncode == 0
    assert "Traceback" not in said


STARTING = """
import time
import service.studio

def slowly(engine):
    print("starting", flush=True)
    time.sleep(60)

service.studio.check_server = slowly
"""


@pytest.mark.usefixtures("environment", "encoder")
def test_sigterm_is_heard_while_it_starts() -> None:
    with served(free_port(), before=STARTING) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


@pytest.mark.usefixtures("environment", "encoder")
def test_it_outlives_a_terminal_where_it_was_started_to() -> None:
    port = free_port()
    with served(port, "--no-worker", before=QUIET.format("SIG_IGN")) as process:
        wait_until_ready(port, process)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR2)
        time.sleep(2)
        wait_until_ready(port, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.count("\n") == 1


AWAY = """
from pathlib import Path
import service.web.server as of
from service.errors import DatabaseUnavailable

class Studio(of.Studio):
    def __init__(self, *given, **named):
        if Path({!r}).exists():
            raise DatabaseUnavailable("It is away.")
        super().__init__(*given, **named)

of.Studio = Studio
"""


@pytest.mark.usefixtures("environment", "encoder")
def test_a_process_that_cannot_be_replaced_takes_no_other_with_it(tmp_path: Path) -> None:
    port, away = free_port(), tmp_path / "away"
    with served(port, "--no-worker", "--workers", "2", before=AWAY.format(str(away))) as process:
        wait_until_ready(port, process)
        parent = psutil.Process(process.pid)
        wait_for(lambda: len(parent.children()) == 2)
        time.sleep(2)  # both have begun
        away.touch()
        one, other = parent.children()
        one.kill()
        time.sleep(4)
        wait_until_ready(port, process)
        away.unlink()
        wait_for(lambda: len(parent.children()) == 2)
        assert other in parent.children()
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "is tried again. It is away." in said


def refused(port: int, *options: str) -> str:
    """What a server that does not start says: one line, exit 1."""
    done = subprocess.run(
        [*COMMAND, str(port), *options], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.usefixtures("environment")
def test_a_port_in_use_is_one_line() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = refused(port)
        assert str(port) in said
        assert "--port" in said


@pytest.mark.usefixtures("environment")
def test_a_host_that_is_mistyped_is_one_line() -> None:
    done = run("serve", "--host", "studio..example", "--port", "8000")
    assert_one_line(done, 2, "Cannot listen on studio..example:8000: that is no host's name.")


@pytest.mark.usefixtures("environment")
def test_listening_for_others_without_a_key_is_one_line(encoder: Encoder) -> None:
    said = refused(free_port(), "--host", "0.0.0.0")
    assert "keys create" in said
    assert "127.0.0.1" in said


@pytest.mark.usefixtures("environment")
def test_a_missing_database_is_one_line(monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> None:
    monkeypatch.setenv("FASHION_STUDIO_DATABASE_URL", "postgresql://127.0.0.1:9/none")
    assert "does not answer" in refused(free_port())


@pytest.mark.usefixtures("environment")
def test_a_missing_model_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASHION_STUDIO_MODEL", str(tmp_path))
    assert "no model bundle" in refused(free_port())


@pytest.mark.usefixtures("environment", "encoder")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_that_cannot_load_the_network_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: str
) -> None:
    monkeypatch.setenv("FASHION_STUDIO_HOME", str(tmp_path / "file" / "home"))
    (tmp_path / "file").write_text("in the way")
    assert "data folder" in refused(free_port(), "--workers", workers)
