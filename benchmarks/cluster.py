"""Photos a second by one process and by Ray's actors, whole imports in turns.

    .venv/bin/python benchmarks/cluster.py [--garments 600] [--copies 4] [--workers 1 2] [--rounds 3]

Draws garments, copies them under other names, and takes them into a fresh catalog again and again. What is
counted is the time from the first batch to the last one: Ray's start is reported apart. `processes` is
what the machine gives at most: as many processes that only decode and embed, without Ray or database.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from multiprocessing.synchronize import Barrier
from pathlib import Path

from own import own_settings
from sqlalchemy import text

from service.collection import Recipe, draw_collection
from service.decode import read
from service.ingest import ingest
from service.intake import Engine, outcomes
from service.intake.cluster import on_ray
from service.model import Model
from service.settings import Settings
from service.studio import Studio
from service.summary import Summary

BATCH = 128


def run(studio: Studio, folder: Path, engine: Engine) -> tuple[float, float]:
    """Photos a second between the first and the last batch, and seconds until the first."""
    with studio.engine.begin() as connection:
        connection.execute(text("DELETE FROM garment"))
    times: list[tuple[float, int]] = []

    def note(summary: Summary) -> None:
        times.append((time.perf_counter(), summary.seen))

    began = time.perf_counter()
    ingest(studio, folder, batch_size=BATCH, engine=engine, progress=note)
    (first, before), (last, seen) = times[0], times[-1]
    return (seen - before) / (last - first), first - began


def alone(settings: Settings, studio: Studio, files: list[Path], workers: int) -> float:
    """Photos a second of processes that share nothing."""
    model, context = studio.model, multiprocessing.get_context("spawn")
    gate = context.Barrier(workers + 1)
    single = Model(settings, model.id, model.folder, model.card, model.labels, threads=1)
    shares = [files[place::workers] for place in range(workers)]
    processes = [
        context.Process(
            target=_work,
            args=(single, share, gate),
        )
        for share in shares
    ]
    for process in processes:
        process.start()
    gate.wait()
    began = time.perf_counter()
    gate.wait()
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    return len(files) / seconds


def _work(model: Model, files: list[Path], gate: Barrier) -> None:
    _ = model.encoder
    gate.wait()
    for file in files:
        model.predict(model.decode(read(file, model.limits)))
    gate.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--garments", type=int, default=600)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place) / "photos"
        draw_collection(folder / "0", Recipe(garments=given.garments, size=300))
        for copy in range(1, given.copies):
            shutil.copytree(folder / "0", folder / str(copy))
        files = sorted(folder.rglob("*.jpg"))
        settings = own_settings(Path(place) / "home")
        engines: dict[str, Engine] = {"local": outcomes}
        engines |= {f"ray, {workers} workers": on_ray(workers) for workers in given.workers}
        rates: dict[str, list[float]] = defaultdict(list)
        starts: dict[str, list[float]] = defaultdict(list)
        with Studio(settings) as studio:
            for _ in range(given.rounds):
                for name, engine in engines.items():
                    rate, start = run(studio, folder, engine)
                    rates[name].append(rate)
                    starts[name].append(start)
                for workers in given.workers:
                    rates[f"processes, {workers}"].append(alone(settings, studio, files, workers))
        print(f"{len(files)} photos, medians of {given.rounds} rounds")
        for name, found in rates.items():
            first = (
                f"; first batch after {statistics.median(starts[name]):.1f} s"
                if starts[name]
                else ""
            )
            print(f"{name:16} {statistics.median(found):7.1f} photos/s{first}")


if __name__ == "__main__":
    main()
