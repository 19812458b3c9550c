"""This project, by its own public functions: through SQL, and through HTTP."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psycopg
from own import own_settings

from peers.contestant import Catalog, Contestant
from peers.pgvector import VACUUM, WARM, connect, database_bytes, postmaster
from service.catalog import BulkLoader, Progress, Row, Run, build_indexes, similar
from service.studio import Studio

ROOT = Path(__file__).parents[2]
BATCH = 4_096
READY_SECONDS = 120
IDS = "SELECT image_path, id FROM garment"

# A client that is stopped at the time limit does not leave its statement running
WATCH_CLIENT = "ALTER ROLE postgres SET client_connection_check_interval = '1s'"
UNWATCH = "ALTER ROLE postgres RESET client_connection_check_interval"


class ThroughSql(Contestant):
    """`service.catalog.similar` on the embedded Postgres: load, `build_indexes`, ask.

    Built once: whoever comes second finds it in the folder, with the time that it took.
    """

    title = "this project, SQL"
    settings = "as shipped: an index for each label above the threshold, n 10"
    stored = "disk"
    memory_a_row = 7_000

    def build(self, catalog: Catalog) -> None:
        home = own_settings(self.folder)
        built = self.folder / "built.json"
        if built.exists():
            self.build_seconds = json.loads(built.read_text())
        else:
            began = time.perf_counter()
            with Studio(home) as studio, watched(studio):
                load(studio, catalog)
                build_indexes(studio.engine)
            with Studio(home) as studio, session(studio) as connection:
                connection.execute(VACUUM)
            self.build_seconds = time.perf_counter() - began
            built.write_text(json.dumps(self.build_seconds))
        self.studio = Studio(home)
        with session(self.studio) as connection:
            connection.execute(WARM)

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        matches, _ = similar(self.studio.engine, query, labels=[label], n=k)
        return [row_of(match.image_path) for match in matches]

    def bytes(self) -> int:
        with session(self.studio) as connection:
            return database_bytes(connection)

    def servers(self) -> list[int]:
        return [postmaster(self.folder)]

    def close(self) -> None:
        self.studio.close()


class ThroughHttp(ThroughSql):
    """`GET /api/v1/garments/{id}/similar` of the real server on loopback, one kept connection.

    It is asked for garments of the catalog, because a query by a photo would time the network.
    """

    title = "this project, HTTP"
    settings = "GET /garments/{id}/similar, 1 worker, loopback, keep-alive; the same database"
    by_garment = True
    process: subprocess.Popen | None = None

    def build(self, catalog: Catalog) -> None:
        super().build(catalog)
        with session(self.studio) as connection:
            self.ids = np.empty(catalog.rows, np.int64)
            for path, number in connection.cursor().stream(IDS):
                self.ids[row_of(path)] = number
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "service.cli",
                "serve",
                "--port",
                str(port),
                "--workers",
                "1",
                "--no-worker",
            ],
            env=os.environ | {"FASHION_STUDIO_HOME": str(self.folder), "PYTHONPATH": str(ROOT)},
            stderr=(self.folder / "serve.log").open("w"),
        )
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "serve.log").read_text() or "it is not ready")
            time.sleep(0.2)

    def is_ready(self) -> bool:
        try:
            self.get("/readyz")
        except OSError:
            self.connection.close()
            return False
        return True

    def get(self, path: str) -> dict:
        try:
            self.connection.request("GET", path)
            answer = self.connection.getresponse()
        except ConnectionError:  # idle for too long, while others had their turn
            self.connection.close()
            self.connection.request("GET", path)
            answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answers {answer.status}: {body[:200]!r}")
        return json.loads(body)

    def search(self, query: int, label: str, k: int) -> list[int]:
        answer = self.get(f"/api/v1/garments/{self.ids[query]}/similar?n={k}")
        return [row_of(match["image_path"]) for match in answer["matches"]]

    def close(self) -> None:
        if self.process is not None:
            self.connection.close()
            self.process.terminate()
            self.process.wait(30)
        super().close()


def load(studio: Studio, catalog: Catalog) -> None:
    store(studio, catalog.labels, catalog.shelf, catalog.batches(BATCH))


def store(
    studio: Studio,
    labels: Sequence[str],
    shelf: np.ndarray,
    batches: Iterable[tuple[slice, np.ndarray]],
) -> None:
    """Garments as an import of features writes them, with made-up paths.

    shelf: (n,) each garment's place in `labels`. batches: rows, and their embeddings.
    """
    loader = BulkLoader(studio.engine, studio.model_id)
    run = Run.start(studio.engine, source="benchmark", labels="given")
    for start, vectors in ((rows.start, vectors) for rows, vectors in batches):
        batch = [
            Row(
                image_path=f"garments/{row:08}.jpg",
                label=labels[shelf[row]],
                label_source="given",
                confidence=None,
                predicted_label=None,
                embedding=vector,
                content_sha256=None,
            )
            for row, vector in enumerate(vectors, start)
        ]
        loader.write(batch, Progress(run, seen=len(batch)))
    run.finish("done")


def row_of(image_path: str) -> int:
    return int(Path(image_path).stem)


@contextmanager
def session(studio: Studio) -> Iterator[psycopg.Connection]:
    with closing(connect(studio.engine.url)) as connection:
        yield connection


@contextmanager
def watched(studio: Studio) -> Iterator[None]:
    """Statements of sessions that start meanwhile end with their client."""
    with session(studio) as connection:
        connection.execute(WATCH_CLIENT)
    studio.engine.dispose()
    try:
        yield
    finally:
        with session(studio) as connection:
            connection.execute(UNWATCH)
