"""How near is the service to the bare model and to bare SQL?

    sudo apt install wrk                                       # or: brew install wrk
    .venv/bin/python benchmarks/http.py [--garments 20000] [--seconds 10] [--rounds 3] [--workers 1]
                                        [--plot FILE.png]

In an embedded database of its own: garments made of the shipped bundle's real embeddings in DeepFashion's
proportions (see `garments`), and their indexes. Then `serve` as people start it, and in each round, one after
another so that all see the same machine: the bare model's forward pass, one at a time and with every core;
`POST /similar` with one client and with 16; `GET /garments/{id}/similar` with one client for each core. wrk
asks; what it takes of the processor is the service's loss. The figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from garments import load
from own import own_environment, own_settings
from peers.pgvector import VACUUM
from peers.studio import BATCH, session, store

from service.catalog import build_indexes
from service.collection import Recipe, draw_collection
from service.decode import Limits, decode, fit
from service.encoder import load_encoder
from service.studio import Studio

CLIENTS = 16
CORES = os.cpu_count() or 1

POST = """
local file = io.open("{photo}", "rb")
wrk.method = "POST"
wrk.headers["Content-Type"] = "multipart/form-data; boundary=x"
wrk.body = "--x\\r\\nContent-Disposition: form-data; name=image; filename=a.jpg\\r\\n\\r\\n"
    .. file:read("*all") .. "\\r\\n--x--\\r\\n"
file:close()
"""
GET = """
request = function()
    return wrk.format("GET", "/api/v1/garments/" .. math.random(1, {garments}) .. "/similar")
end
"""
REPORT = """
done = function(summary, latency, requests)
    local errors = summary.errors.status + summary.errors.read + summary.errors.connect
        + summary.errors.write + summary.errors.timeout
    io.write(string.format('{{"requests": %d, "seconds": %f, "errors": %d, "p50": %f, "p99": %f}}\\n',
        summary.requests, summary.duration / 1e6, errors,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--garments", type=int, default=20_000, help="139734 is DeepFashion's size")
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="server processes")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("benchmarks/http.py needs wrk: apt install wrk, or brew install wrk.")
    # Not in /tmp's own permissions: Postgres runs as another user where root runs this
    home = Path(tempfile.mkdtemp(prefix="fashion-studio-bench-"))
    try:
        rounds = measure(home, arguments)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    figures = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    report(figures, rounds, arguments)
    if arguments.plot:
        plot(figures, arguments)


def measure(home: Path, arguments: argparse.Namespace) -> list[dict[str, float]]:
    settings = own_settings(home, image_root=str(home))
    draw_collection(home / "photos", Recipe(garments=11, size=300))
    photo = next((home / "photos").glob("images/*.jpg"))
    with Studio(settings) as studio:
        print(f"loading {arguments.garments} garments …", file=sys.stderr)
        garments = fill(studio, arguments.garments)
        build_indexes(studio.engine)
        with session(studio) as connection:
            connection.execute(VACUUM)  # now, rather than by itself beside what is measured
    (home / "post.lua").write_text(POST.format(photo=photo) + REPORT.format())
    (home / "get.lua").write_text(GET.format(garments=garments) + REPORT.format())
    pixels = fit(decode(photo.read_bytes(), Limits(), side=300).pixels, studio.card.input_size)
    encoder = load_encoder(settings)
    found = []
    with served(home, arguments.workers) as port:
        url = f"http://127.0.0.1:{port}/api/v1/similar"
        wrk(home / "post.lua", url, CLIENTS, 3)  # warm
        wrk(home / "get.lua", f"http://127.0.0.1:{port}", CORES, 3)
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds} …", file=sys.stderr)
            one = wrk(home / "post.lua", url, 1, arguments.seconds)
            alone = alone_ms(encoder, pixels, arguments.seconds / 2)
            together = together_per_second(encoder, pixels, arguments.seconds / 2)
            many = wrk(home / "post.lua", url, CLIENTS, arguments.seconds)
            ids = wrk(home / "get.lua", f"http://127.0.0.1:{port}", CORES, arguments.seconds)
            found.append(
                {
                    "model_ms": alone,
                    "post_ms": one["p50"],
                    "model_rate": together,
                    "post_rate": many["requests"] / many["seconds"],
                    "slower": one["p50"] / alone,
                    "kept": many["requests"] / many["seconds"] / together,
                    "get_rate": ids["requests"] / ids["seconds"],
                    "get_p50": ids["p50"],
                    "get_p99": ids["p99"],
                    "errors": one["errors"] + many["errors"] + ids["errors"],
                }
            )
    return found


def fill(studio: Studio, count: int) -> int:
    """Garments as `garments` makes them of the shipped bundle's embeddings; returns how many."""
    catalog = load(count)
    store(studio, catalog.labels, catalog.shelf, catalog.batches(BATCH))
    return count


def alone_ms(encoder, pixels, seconds: float) -> float:  # type: ignore[no-untyped-def]
    """Median milliseconds of a forward pass, one at a time."""
    until, taken = time.perf_counter() + seconds, []
    while time.perf_counter() < until:
        began = time.perf_counter()
        encoder.predict(pixels)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3


def together_per_second(encoder, pixels, seconds: float) -> float:  # type: ignore[no-untyped-def]
    """Forward passes a second, as many side by side as the model runs."""
    until = time.perf_counter() + seconds

    def ask(_: int) -> int:
        done = 0
        while time.perf_counter() < until:
            encoder.predict(pixels)
            done += 1
        return done

    with ThreadPoolExecutor(encoder.requests) as pool:
        return sum(pool.map(ask, range(encoder.requests))) / seconds


def wrk(script: Path, url: str, clients: int, seconds: int) -> dict[str, float]:
    load = ["-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s"]
    command = ["wrk", *load, "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^\{.*\}$", said, re.MULTILINE)
    assert found is not None, said
    return json.loads(found[0])


@contextmanager
def served(home: Path, workers: int):  # type: ignore[no-untyped-def]
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "service.cli", "serve", "--port", str(port), "--no-worker"),
            *("--workers", str(workers)),
        ],
        env=own_environment(home, FASHION_STUDIO_LOG_LEVEL="warning"),
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def report(
    figures: dict[str, float], rounds: list[dict[str, float]], arguments: argparse.Namespace
) -> None:
    spread = figures["get_p99"] / figures["get_p50"]
    print(
        f"{arguments.garments} garments, {arguments.rounds} rounds, {CORES} cores, "
        f"{arguments.workers} server processes, medians"
    )
    print("| | model alone | service | ratio | aim |\n| --- | --- | --- | --- | --- |")
    print(
        f"| `POST /similar`, one client, p50 | {figures['model_ms']:.1f} ms | "
        f"{figures['post_ms']:.1f} ms | {figures['slower']:.2f} | ≤ 1.25 |"
    )
    print(
        f"| `POST /similar`, {CLIENTS} clients | {figures['model_rate']:.1f} /s | "
        f"{figures['post_rate']:.1f} /s | {figures['kept']:.2f} | ≥ 0.9 |"
    )
    print(
        f"| `GET /garments/ID/similar`, {CORES} clients | – | {figures['get_rate']:.0f} /s, "
        f"{figures['get_rate'] / CORES:.0f} /s a core | – | ≥ 300 a core |"
    )
    print(
        f"| its p50 and p99 | – | {figures['get_p50']:.1f} ms, {figures['get_p99']:.1f} ms | "
        f"{spread:.1f} | ≤ 10 |"
    )
    print(f"errors: {sum(r['errors'] for r in rounds):.0f}")


def plot(figures: dict[str, float], arguments: argparse.Namespace) -> None:
    """Bars of the two ratios and the rate, each against its aim."""
    from PIL import Image, ImageDraw, ImageFont

    bars = (
        ("POST, one client: model's ms / service's", 1 / figures["slower"], 0.8),
        (f"POST, {CLIENTS} clients: of the model's rate", figures["kept"], 0.9),
        ("GET by id: of 600 a second and core", figures["get_rate"] / CORES / 600, 0.5),
    )  # fmt: skip
    picture = Image.new("RGB", (900, 60 + 70 * len(bars)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    draw.text((20, 14), f"{arguments.garments} garments; the line is the aim", "black", font)
    for row, (name, value, aim) in enumerate(bars):
        top = 60 + 70 * row
        draw.text((20, top), f"{name}: {value:.2f}", "black", font)
        draw.rectangle((20, top + 26, 20 + 800 * min(value, 1.05), top + 50), "#4a7fb0")
        draw.line((20 + 800 * aim, top + 22, 20 + 800 * aim, top + 54), "#c0392b", 3)
    picture.save(arguments.plot)
