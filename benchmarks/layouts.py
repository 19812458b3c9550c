"""How many bytes does a garment take, and what do they buy? Layouts of the table beside each other.

    .venv/bin/python benchmarks/layouts.py [--rows 139734] [--queries 200] [--rounds 3] [--work DIR]

The layouts stand in schemas of one embedded Postgres, loaded and indexed one after the other, and are
then asked in turns: for a label that a query is of, for one that it is not of, and exactly. Queries
are garments that the catalog lacks (see `garments.py`); p50 is the median of the rounds' medians. The
truth is numpy's on the stored float16 values; a garment within 2e-6 of the tenth cosine is found.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg
from garments import CACHE, PHOTOS, Garments, load
from pgvector import Bit, HalfVector
from pgvector.psycopg import register_vector
from sqlalchemy import text

from service.catalog import open_engine, start_embedded
from service.catalog.similarity.projection import SLACK, Projection, fit
from service.catalog.similarity.statement import similar_sql

N = 10

WHOLE = """
    SELECT id, image_path, label, 1 - (embedding <=> %(query)s), 0 FROM garment
    WHERE label = %(label_0)s ORDER BY embedding <=> %(query)s LIMIT %(n)s
"""
BY_BITS = """
    SELECT id, image_path, label, 1 - (embedding <=> %(query)s), 0 FROM (
        SELECT * FROM garment WHERE label = %(label_0)s
        ORDER BY small <~> %(small)s LIMIT %(candidates)s
    ) AS candidates ORDER BY embedding <=> %(query)s LIMIT %(n)s
"""


@dataclass
class Layout:
    """storage: of the embedding. small: type of the column beside it. index: column and operators."""

    name: str
    schema: str
    storage: str
    small: str
    index: str
    candidates: int
    build: float = 0.0
    bytes: tuple[int, ...] = ()
    p50: dict[str, list[float]] = field(default_factory=dict)
    recall: dict[str, float] = field(default_factory=dict)


INLINE, OUTSIDE = "PLAIN", "EXTERNAL"
COMPONENTS = "halfvec(128)", "components halfvec_l2_ops", 30
LAYOUTS = (
    Layout(
        "in the row, indexed whole", "a", INLINE, COMPONENTS[0], "embedding halfvec_cosine_ops", 0
    ),
    Layout("in the row, components indexed", "b", INLINE, *COMPONENTS),
    Layout("out of line, components indexed", "c", OUTSIDE, *COMPONENTS),
    Layout(
        "out of line, rotated bits indexed", "d", OUTSIDE, "bit(2048)", "small bit_hamming_ops", 100
    ),
)


class Small:
    """What a layout keeps beside the embedding, of many embeddings at once."""

    def __init__(self, sample: np.ndarray) -> None:
        self.projection: Projection = fit(sample)
        normal = np.random.default_rng(0).normal(size=(sample.shape[1],) * 2)
        self.rotation = np.linalg.qr(normal.astype(np.float32))[0]

    def of(self, layout: Layout, embeddings: np.ndarray) -> list[HalfVector | Bit]:
        if "halfvec" in layout.small:
            return [HalfVector(row) for row in self.projection(embeddings)]
        wide = np.asarray(embeddings, np.float32)
        unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
        return [Bit(row) for row in (unit - self.projection.mean) @ self.rotation > 0]


def make(layout: Layout, driver: psycopg.Connection, garments: Garments, small: Small) -> None:
    column = "components" if "halfvec" in layout.small else "small"
    execute = driver.execute
    execute(f"CREATE SCHEMA {layout.schema}")
    execute(f"SET search_path = {layout.schema}, public")
    execute(
        "CREATE TABLE garment (id bigint PRIMARY KEY, label text, image_path text,"
        f" content_sha256 bytea, {column} {layout.small}, embedding halfvec(2048))"
    )
    execute(f"ALTER TABLE garment ALTER embedding SET STORAGE {layout.storage}")
    execute(f"ALTER TABLE garment ALTER {column} SET STORAGE PLAIN")
    kind = layout.small.split("(")[0]
    with (
        driver.cursor() as cursor,
        cursor.copy("COPY garment FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(["int8", "text", "text", "bytea", kind, "halfvec"])
        for at in range(0, len(garments.shelf), 2000):
            some = np.asarray(garments.embeddings[at : at + 2000])
            for i, beside in enumerate(small.of(layout, some)):
                label = garments.labels[garments.shelf[at + i]]
                row = (at + i, label, f"garments/{at + i:08}.jpg", bytes(32), beside)
                copy.write_row((*row, HalfVector(some[i])))
    execute("CREATE INDEX ON garment (label, id)")
    execute("SET maintenance_work_mem = '3GB'")
    began = time.monotonic()
    for label in garments.labels:
        execute(f"CREATE INDEX ON garment USING hnsw ({layout.index}) WHERE label = '{label}'")
    layout.build = time.monotonic() - began
    execute("VACUUM ANALYZE garment")
    sizes = (
        "SELECT pg_relation_size('garment'), pg_table_size('garment') - pg_relation_size('garment'),"
        " (SELECT sum(pg_relation_size(indexrelid)) FROM pg_index"
        "  WHERE indrelid = 'garment'::regclass AND indpred IS NOT NULL)"
    )
    layout.bytes = tuple(int(size) for size in execute(sizes).fetchone() or ())


def ask(
    layout: Layout,
    driver: psycopg.Connection,
    how: str,
    query: np.ndarray,
    label: str,
    small: Small,
) -> list[float]:
    values = {
        "query": HalfVector(query), "label_0": label, "labels": [label], "n": N, "exclude": [],
        "content": None,
        "candidates": layout.candidates, "slack": SLACK,
    }  # fmt: skip
    values["components"] = values["small"] = small.of(layout, query[None])[0]
    by_components = layout.index.startswith("components")
    if how == "exact":
        statement = similar_sql((), True) if by_components else WHOLE
    else:
        statement = BY_BITS if "bit" in layout.small else similar_sql(("%(label_0)s",), False)
        statement = statement if layout.candidates else WHOLE
    off = "off" if how == "exact" else "on"
    with driver.pipeline():
        driver.execute(
            "SELECT set_config('search_path', %s, true), set_config('enable_indexscan', %s, true),"
            " set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),"
            " set_config('hnsw.ef_search', '100', true)",
            [f"{layout.schema},public", "on" if by_components else off],
        )
        answer = driver.execute(statement, values)
    return [row[3] for row in answer.fetchall()]


def measure(
    driver: psycopg.Connection, garments: Garments, small: Small, queries: int, rounds: int
) -> None:
    chosen = range(queries)
    far = {place: (place + 4) % len(garments.labels) for place in range(len(garments.labels))}
    for how in ("own label", "far label", "exact"):
        some = chosen if how != "exact" else chosen[: max(20, queries // 5)]
        asked = [
            (garments.queries[q].astype(np.float16), int(far[s] if how == "far label" else s))
            for q, s in ((q, int(garments.query_shelf[q])) for q in some)
        ]
        tenth = truths(garments, asked)
        for turn in range(rounds):
            for layout in LAYOUTS:
                times, found = [], 0
                for (query, place), least in zip(asked, tenth, strict=True):
                    began = time.perf_counter()
                    cosines = ask(layout, driver, how, query, garments.labels[place], small)
                    times.append((time.perf_counter() - began) * 1e3)
                    found += sum(cosine >= least - 2e-6 for cosine in cosines)
                layout.p50.setdefault(how, []).append(statistics.median(times))
                layout.recall[how] = found / (N * len(asked))
            print(f"{how}, round {turn + 1}", flush=True)


def truths(garments: Garments, asked: list[tuple[np.ndarray, int]]) -> list[float]:
    """The tenth cosine of each question."""
    found = [0.0] * len(asked)
    for place in {place for _, place in asked}:
        rows = np.asarray(garments.embeddings[np.flatnonzero(garments.shelf == place)], np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        for i, (query, of) in enumerate(asked):
            if of == place:
                wide = query.astype(np.float32)
                found[i] = float(np.sort(rows @ (wide / np.linalg.norm(wide)))[-N])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=139_734)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--work", type=Path, default=None, help="folder with 10 kB a garment free")
    arguments = parser.parse_args()
    garments = load(arguments.rows, arguments.cache, arguments.photos)
    small = Small(np.asarray(garments.embeddings[:2000]))
    with tempfile.TemporaryDirectory(dir=arguments.work, ignore_cleanup_errors=True) as folder:
        engine = open_engine(start_embedded(Path(folder) / "postgres"))
        with engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION vector"))
        engine.dispose()  # a new connection knows halfvec
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            register_vector(driver)  # knows bits, too
            for layout in LAYOUTS:
                make(layout, driver, garments, small)
                print(f"{layout.name}: indexed in {layout.build:.0f} s", flush=True)
            measure(driver, garments, small, arguments.queries, arguments.rounds)
        engine.dispose()
    report(arguments.rows)


def report(rows: int) -> None:
    print(f"\n{rows:,} garments\n")
    print("| embedding | row | out of line | index | kB a garment | build, s | p50 own label | recall@10 "
          "| p50 far label | recall@10 | p50 exact |")  # fmt: skip
    print("| --- |" + " ---: |" * 10)
    for layout in LAYOUTS:
        each = [size / rows / 1e3 for size in layout.bytes]
        p50 = {how: statistics.median(times) for how, times in layout.p50.items()}
        print(
            f"| {layout.name} | {each[0]:.1f} | {each[1]:.1f} | {each[2]:.1f} | {sum(each):.1f} "
            f"| {layout.build:.0f} | {p50['own label']:.2f} | {layout.recall['own label']:.3f} "
            f"| {p50['far label']:.2f} | {layout.recall['far label']:.3f} | {p50['exact']:.1f} |"
        )


if __name__ == "__main__":
    main()
