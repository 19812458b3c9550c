"""A database whose machine vanishes amid a query. Its network is one of its own, made by root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, text

from service.catalog import open_engine
from service.catalog.database.urls import LIBPQ_DEFAULTS
from service.errors import DatabaseUnavailable

from ..web.serving import wait_for

HERE, THERE = "10.213.77.1", "10.213.77.2"
RELAY = f"""
import socket, sys, threading
def pass_on(source, target):
    while data := source.recv(65536):
        target.sendall(data)
with socket.create_server(("{THERE}", 5432)) as listener:
    while True:
        client, _ = listener.accept()
        database = socket.socket(socket.AF_UNIX)
        database.connect(sys.argv[1])
        for pair in ((client, database), (database, client)):
            threading.Thread(target=pass_on, args=pair, daemon=True).start()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def far(engine: Engine) -> Iterator[tuple[URL, Callable[[], None]]]:
    """The database behind a network, and what cuts that off without a word."""
    at = Path(str(engine.url.query.get("host", engine.url.host)), ".s.PGSQL.5432")
    if os.geteuid() != 0 or shutil.which("ip") is None or not at.is_socket():
        pytest.skip("a network of its own needs root, iproute2 and the embedded server")
    name = f"fs{os.getpid()}"
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError:
        pytest.skip("a network of its own needs the right to make one")
    relay = None
    try:
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        ip("address", "add", f"{HERE}/30", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "address", "add", f"{THERE}/30", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        inside = ["ip", "netns", "exec", name, sys.executable, "-c", RELAY, str(at)]
        relay = subprocess.Popen(inside)
        wait_for(reached)
        yield (
            engine.url.set(host=THERE, port=5432, query={}),
            lambda: ip("-n", name, "route", "add", "blackhole", f"{HERE}/32"),
        )
    finally:
        if relay is not None:
            relay.kill()
            relay.wait()
        ip("netns", "delete", name)


def reached() -> bool:
    with suppress(OSError), socket.create_connection((THERE, 5432), timeout=1):
        return True
    return False


def test_a_query_under_way_notices_it(
    far: tuple[URL, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent is not acknowledged, and meanwhile no keepalives go out. A minute is two seconds here."""
    patience = LIBPQ_DEFAULTS["tcp_user_timeout"] // 30
    for name, value in (("idle", 1), ("interval", 1), ("count", 1)):
        monkeypatch.setitem(LIBPQ_DEFAULTS, f"keepalives_{name}", value)
    monkeypatch.setitem(LIBPQ_DEFAULTS, "tcp_user_timeout", patience)
    url, cut = far
    engine = open_engine(url.render_as_string(hide_password=False))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
        cut()
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="timed out"):
            connection.scalar(text("SELECT 1"))
        assert 1.5 < time.monotonic() - began < 20
    engine.dispose()
