"""The client against the real server."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from service.catalog import Row
from service.client import ApiError, Client, ServerUnreachable

from .conftest import JPEG
from .live import Live, live

__all__ = ["live"]


@pytest.fixture
def ask(live: Live) -> Iterator[Client]:
    with Client(live.url, key=live.key) as client:
        yield client


def test_reports_and_feedback(ask: Client) -> None:
    found = ask.report("categories", limit=2)
    assert (len(found.rows), found.more, found.stored) == (2, True, False)
    assert ask.refresh_report("outliers").made_at is None
    deadline = time.monotonic() + 60
    while ask.report("outliers").made_at is None:
        assert time.monotonic() < deadline, "the worker does not make it"
        time.sleep(0.2)
    assert ask.cancel_report("outliers").progress is None

    photo = ask.similar(JPEG, n=1, label="any")
    assert photo.query.sha256 is not None
    first = ask.add_feedback(photo.query.sha256, photo.matches[0].id, "good")
    second = ask.add_feedback(1, 2, "bad")
    assert ask.feedback() == [second, first]
    again = ask.add_feedback(np.int64(1), np.int64(2), "good")  # as a DataFrame has them
    assert (again.query_id, again.match_id, again.verdict) == (1, 2, "good")
    assert ask.feedback(limit=1, before=second.id) == [first]
    ask.delete_feedback(first.id)
    with pytest.raises(ApiError) as gone:
        ask.delete_feedback(first.id)
    assert gone.value.code == "feedback_not_found"
    elsewhere = pickle.loads(pickle.dumps(gone.value))  # as a pool of processes does
    assert (elsewhere.problem, str(elsewhere)) == (gone.value.problem, str(gone.value))


def test_every_call(ask: Client, live: Live, rows: list[Row], tmp_path: Path) -> None:
    """What it stores it removes again: the server is that of the other tests, too."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(JPEG)
    said = ask.classify(photo)
    assert said.labels[0].label == said.label
    assert ask.classify(JPEG) == said

    found = ask.similar(photo, n=5, label="any", min_similarity=-1, exact=True)
    assert (found.returned, found.method) == (5, "exact")
    assert found.query.confidence == said.confidence
    assert len(ask.similar(JPEG, mass=1).searched_labels) > 1
    assert ask.similar_to(3, label="Tee,Dress").searched_labels == ["Tee", "Dress"]
    assert ask.similar_to(n=2).returned == 2
    for some in (ask.similar_to(3, label="any", n=99, among="in_stock"),
                 ask.similar(JPEG, label="any", n=99, among="in_stock")):  # fmt: skip
        assert {match.id % 2 for match in some.matches} == {1}

    kept = ask.add_set([photo, JPEG, b"no photo"], k=1)
    assert [image.filename for image in kept.images] == ["photo.jpg", "photo", "photo"]
    assert kept.images[2].error
    assert kept.top[0].count == 2
    assert ask.get_set(kept.id, k=1) == kept
    more = ask.extend_set(kept.id, [JPEG], k=1)
    assert (len(more.images), more.top[0].count) == (4, 3)
    ask.delete_set(kept.id)
    with pytest.raises(ApiError) as gone:
        ask.get_set(kept.id)
    assert (gone.value.code, gone.value.status) == ("set_not_found", 404)

    everything = list(ask.garments(page_size=10))
    assert [garment.id for garment in everything] == list(range(1, 34))
    assert {garment.image_path for garment in everything} == {row.image_path for row in rows}
    assert {garment.label for garment in ask.garments(label="romper")} == {"Romper"}
    assert ask.garments_page(limit=1).next_cursor == "1"
    newest = ask.garments_page(limit=1, order="newest", label_source="given", q="IMAGES/")
    assert [garment.id for garment in newest.garments] == [33]
    today = everything[0].created_at.date()
    assert len(list(ask.garments(added_from=today, added_to=today))) == 33

    garment = ask.add_garment(photo, label="dress", image_path="new/photo.jpg")
    assert (garment.label, garment.label_source) == ("Dress", "given")
    assert (live.root / "new/photo.jpg").read_bytes() == JPEG
    assert ask.add_garment(photo, image_path="new/photo.jpg") == garment
    assert ask.relabel(garment.id, "Tee").label == "Tee"
    assert ask.garment(garment.id).label == "Tee"
    assert ask.image(garment.id) == JPEG
    assert len(ask.image(garment.id, width=64)) < len(JPEG)
    ask.delete_garment(garment.id)
    with pytest.raises(ApiError, match="no garment"):
        ask.garment(garment.id)

    with Client(live.url) as stranger, pytest.raises(ApiError) as refused:
        stranger.garment(1)
    assert refused.value.code == "unauthorized"
    with Client(live.url + "/docs", key=live.key) as lost, pytest.raises(ApiError) as nowhere:
        lost.garment(1)
    assert nowhere.value.code == "not_found"


def test_a_file_may_have_any_name(ask: Client, tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"not-utf-8-\xff.jpg")
    photo.write_bytes(JPEG)
    kept = ask.add_set([photo])
    assert kept.images[0].filename == "not-utf-8-?.jpg"
    ask.delete_set(kept.id)


def test_an_id_leads_nowhere_else(ask: Client) -> None:
    for call in (ask.delete_set, ask.get_set, ask.report):
        with pytest.raises(ApiError) as refused:
            call("../garments/3")
        assert refused.value.status == 404
    assert ask.garment(3).id == 3


def test_a_server_that_is_not_there() -> None:
    client = Client("http://127.0.0.1:9", timeout=2)
    with client, pytest.raises(ServerUnreachable, match="does not answer"):
        client.garment(1)


class Page(BaseHTTPRequestHandler):
    """What anything else on the web answers."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html></html>")

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_server_that_is_another_one() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with Client(url) as client:
            for call, path, why in (
                (client.garment, "garments/1", "its answer is no Garment"),
                (client.image, "garments/1/image", "its answer is no picture"),
                (client.delete_garment, "garments/1", "it answered 200 to a deletion"),
                (client.delete_set, "sets/1", "it answered 200 to a deletion"),
                (client.delete_feedback, "feedback/1", "it answered 200 to a deletion"),
            ):
                with pytest.raises(ServerUnreachable) as said:
                    call(1)
                assert str(said.value) == f"{url}/api/v1/{path} is not Fashion Studio: {why}."
        server.shutdown()


def test_a_key_as_it_stands_in_a_file_or_a_page(ask: Client, live: Live) -> None:
    with Client(live.url, key=f"{live.key}\n") as read:
        assert read.garment(1) == ask.garment(1)
    with Client(live.url, key="fs_…") as pasted, pytest.raises(ApiError) as refused:
        pasted.garment(1)
    assert refused.value.code == "unauthorized"


def test_what_is_no_address_is_not_there() -> None:
    with Client("studio.example") as client, pytest.raises(ServerUnreachable, match=r"protocol\.$"):
        client.garment(1)
    with pytest.raises(ServerUnreachable, match="x is no address"):
        Client("http://127.0.0.1:x")
    for mistyped in ("http://studio..example", f"http://{'a' * 64}.example"):
        with pytest.raises(ServerUnreachable, match="is no address: a part of its host's name is"):
            Client(mistyped)
    with Client("http://127.0.0.1:9") as client, pytest.raises(ServerUnreachable, match="too long"):
        client.get_set("a" * 70_000)


def test_a_client_that_asks_now_and_then_meets_no_closed_connection(live: Live) -> None:
    """The server closes a connection that is idle for 2 s; a request sent at that moment would be lost."""

    def now_and_then(pause: float) -> None:
        with Client(live.url, key=live.key) as client:
            for _ in range(4):
                client.report("categories")
                time.sleep(pause)

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(now_and_then, [1.95 + number / 200 for number in range(24)]))


def test_it_needs_neither_server_nor_network() -> None:
    heavy = "flask, openvino, keras, sqlalchemy, psycopg, PIL"
    code = (
        f"import service.client, sys; print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_imports_are_asked_for_watched_and_cancelled(ask: Client, live: Live) -> None:
    run = ask.add_import(str(live.root / "garments.csv"))
    assert run.state == "queued"
    deadline = time.monotonic() + 60
    while (run := ask.get_import(run.id)).state != "done":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (run.done, run.total, run.unchanged) == (33, 33, 33)
    assert ask.imports(limit=1)[0].id == run.id
    assert ask.cancel_import(run.id).state == "done"  # over is over
    with pytest.raises(ApiError) as refused:
        ask.add_import("/etc")
    assert refused.value.code == "source_forbidden"
