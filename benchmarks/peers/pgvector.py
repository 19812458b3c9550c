"""pgvector as a first try has it, on a server like the project's, with a cache of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from sqlalchemy import URL, make_url

from peers.contestant import FEATURES, Catalog, Contestant
from service.catalog import start_embedded

DATABASE = "plain_pgvector"
VACUUM = "VACUUM (ANALYZE)"

WARM = "SELECT count(embedding <-> embedding) FROM garment"
"""Reads every embedding, so that the server has them in its cache as others have them in memory."""

NEAREST = """
    SELECT id FROM garment WHERE label = %(label)s ORDER BY embedding <=> %(query)s LIMIT %(k)s
"""


class Plain(Contestant):
    """The read-me's `vector` column and `<=>`, with an index on the filter's column.

    Its HNSW refuses more than 2,000 dimensions of `vector`, so a first try ends here.
    https://github.com/pgvector/pgvector#filtering
    """

    title = "plain pgvector"
    settings = "vector(2048), b-tree on label, exact ORDER BY <=>"
    stored = "disk"
    memory_a_row = 9_000
    package = "pgvector"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        url = make_url(start_embedded(server_folder(folder)))
        with connect(url) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
            connection.execute(f"CREATE DATABASE {DATABASE}")
        self.connection = connect(url.set(database=DATABASE))

    def build(self, catalog: Catalog) -> None:
        self.connection.execute("CREATE EXTENSION vector")
        register_vector(self.connection)
        self.connection.execute(
            f"CREATE TABLE garment (id bigint PRIMARY KEY, label text, embedding vector({FEATURES}))"
        )
        copying = "COPY garment FROM STDIN (FORMAT BINARY)"
        with self.connection.cursor() as cursor, cursor.copy(copying) as copy:
            copy.set_types(["int8", "text", "vector"])
            for rows, vectors in catalog.batches():
                for row, vector in enumerate(vectors, rows.start):
                    copy.write_row((row, catalog.labels[catalog.shelf[row]], Vector(vector)))
        self.connection.execute("CREATE INDEX ON garment (label)")
        self.connection.execute(f"{VACUUM} garment")
        self.connection.execute(WARM)

    def search(self, query: np.ndarray, label: str, k: int) -> list[int]:
        values = {"label": label, "query": Vector(query), "k": k}
        return [row[0] for row in self.connection.execute(NEAREST, values, binary=True)]

    def bytes(self) -> int:
        return database_bytes(self.connection)

    def servers(self) -> list[int]:
        return [postmaster(self.folder)]

    def close(self) -> None:
        self.connection.close()


def server_folder(folder: Path) -> Path:
    """Where the project has its own, in its data folder."""
    return folder / "postgres"


def postmaster(folder: Path) -> int:
    """The process id of the server."""
    pid = int((server_folder(folder) / "postmaster.pid").read_text().split()[0])
    assert psutil.pid_exists(pid)
    return pid


def connect(url: URL) -> psycopg.Connection:
    """A session in autocommit."""
    url = url.set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


def database_bytes(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return row[0]
