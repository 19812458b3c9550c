"""Reports on a large catalog, and the neighbours of every garment: how long, and found how well?

    .venv/bin/python benchmarks/analytics.py [--rows 139734] [--database URL] [--rounds 5] [--no-analysis]

Fills a database with garments (see `garments.py`), given and predicted labels, two years of days and
sets of photos; `--database` names one that has a catalog already, which is only read and analysed. Then
the analysis, every report, and three ways to the ten nearest garments of any label, on a sample.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from garments import CACHE, PHOTOS, Garments, load
from sqlalchemy import Engine, text

from service.catalog import (
    REPORTS,
    Loader,
    Row,
    analyse,
    attach,
    build_indexes,
    category_names,
    migrate,
    open_engine,
    read_report,
    similar,
    start_embedded,
)
from service.catalog.analysis.nearest import ROWS, SCORES, Field
from service.catalog.garments.embeddings import of_unit_length

SAMPLE = 256  # garments whose neighbours are looked for in each way

SPREAD = """
    UPDATE garment
    SET created_at = now() - random() * interval '730 days', confidence = random(),
        predicted_label = CASE WHEN random() < 0.65 THEN label
                               ELSE (SELECT name FROM category ORDER BY random() LIMIT 1) END
"""
SETS = """
    WITH stored AS (
        INSERT INTO upload_set (model_id, created_at)
        SELECT model.id, now() - random() * interval '365 days' FROM model, generate_series(1, 5000)
        WHERE serving RETURNING id
    )
    INSERT INTO upload (set_id, position, filename, label, confidence)
    SELECT stored.id, place, 'a.jpg', category.name, 0.5
    FROM stored, generate_series(0, 19) AS place
    JOIN category ON category.position = place % 11
"""


def fill(url: str, garments: Garments) -> Engine:
    engine = open_engine(url)
    migrate(engine)
    model_id = attach(
        engine, name="bench", version="1", content_sha256="ab" * 32, labels=garments.labels,
        input_size=120, feature_size=garments.embeddings.shape[1],
    )  # fmt: skip
    loader = Loader(engine, model_id)
    for at in range(0, len(garments.shelf), 4096):
        loader.write(
            [
                Row(f"{i:08}.jpg", garments.labels[garments.shelf[i]], "given", None, None,
                    garments.embeddings[i], f"{i:064x}")
                for i in range(at, min(at + 4096, len(garments.shelf)))
            ]
        )  # fmt: skip
    with engine.begin() as connection:
        connection.execute(text(SPREAD))
        connection.execute(text(SETS))
    build_indexes(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return engine


def time_reports(engine: Engine, rounds: int) -> None:
    print(f"{'report':12} {'rows':>8} {'median ms':>10} {'worst ms':>9}")
    for name in REPORTS:
        times = []
        for _ in range(rounds):
            began = time.monotonic()
            rows = len(read_report(engine, name, limit=1000).rows)
            times.append(1000 * (time.monotonic() - began))
        print(f"{name:12} {rows:8} {statistics.median(times):10.0f} {max(times):9.0f}")


def compare_ways(engine: Engine, embeddings: np.ndarray) -> None:
    """Ten neighbours of the same garments in three ways: seconds for all of the catalog, and recall."""
    rows = len(embeddings)
    print(f"\n{'way':42} {'s for all':>10} {'recall@10':>10}")
    truth, began = np.full((SAMPLE, 11), -1.0, np.float32), time.monotonic()
    unit = of_unit_length(embeddings[:SAMPLE])
    for at in range(0, rows, 4096):
        cosines = unit @ of_unit_length(embeddings[at : at + 4096]).T
        truth = np.partition(np.hstack([truth, cosines]), -11, axis=1)[:, -11:]
    tell("whole embeddings in float32, in blocks", began, rows, 1.0)
    tenth = truth.min(axis=1)  # of eleven, the nearest is the garment itself
    field, began = Field(embeddings), time.monotonic()
    size = max(1, min(ROWS, SCORES // field.padded, SAMPLE))
    found = [
        field.ask(np.arange(at, min(at + size, SAMPLE)), 10).cosines
        for at in range(0, SAMPLE, size)
    ]
    right = np.concatenate(found) >= tenth[:, None] - 2e-6
    tell("components to candidates (analyse)", began, rows, right.mean())
    with engine.connect() as connection:
        query = "SELECT id FROM garment ORDER BY id LIMIT :sample"
        ids = connection.scalars(text(query), {"sample": SAMPLE}).all()
    labels, began, hits = category_names(engine), time.monotonic(), 0
    for garment_id, least in zip(ids, tenth, strict=True):
        matches, _ = similar(engine, garment_id, labels=labels, n=10)
        hits += sum(match.similarity >= least - 2e-6 for match in matches)
    tell("a search in SQL for each, all labels", began, rows, hits / (10 * SAMPLE))


def tell(way: str, began: float, rows: int, recall: float) -> None:
    print(f"{way:42} {(time.monotonic() - began) * rows / SAMPLE:10.0f} {recall:10.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=139_734)
    parser.add_argument("--database", help="a filled one, whose first garments are garments.py's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-analysis", action="store_true", help="it was made before")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    garments = load(arguments.rows, arguments.cache, arguments.photos)
    with tempfile.TemporaryDirectory(
        prefix="fashion-studio-bench-", ignore_cleanup_errors=True
    ) as work:
        if arguments.database:
            engine = open_engine(arguments.database)
        else:
            engine = fill(start_embedded(Path(work) / "postgres"), garments)
        if not arguments.no_analysis:
            began = time.monotonic()
            done = analyse(engine, duplicate_similarity=0.99, folder=Path(work))
            print(f"the analysis of {done} garments: {time.monotonic() - began:.0f} s\n")
        time_reports(engine, arguments.rounds)
        compare_ways(engine, garments.embeddings)
        engine.dispose()


if __name__ == "__main__":
    main()
