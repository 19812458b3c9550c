"""How fast is the network on each runtime, and how long does it take to start?

    .venv/bin/python benchmarks/model.py [--rounds 7] [--photos 60]

In each round every runtime embeds the same noise pictures, one after the other and then with as many
threads as it has infer requests, so that all see the same machine; the figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from service.encoder import Encoder
from service.encoder.bundle import SHIPPED
from service.encoder.keras import TensorFlowEncoder
from service.encoder.openvino import OpenVinoEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        makers: dict[str, Callable[[], Encoder]] = {
            "OpenVINO bf16, first start (converts)": lambda: OpenVinoEncoder(SHIPPED, cache),
            "OpenVINO bf16": lambda: OpenVinoEncoder(SHIPPED, cache, precision="bf16"),
            "OpenVINO f32": lambda: OpenVinoEncoder(SHIPPED, cache, precision="f32"),
            "TensorFlow f32": lambda: TensorFlowEncoder(SHIPPED),
        }
        encoders: dict[str, Encoder] = {}
        print(f"{'start':40} seconds")
        for name, make in makers.items():
            began = time.perf_counter()
            encoders[name] = make()
            print(f"{name:40} {time.perf_counter() - began:.1f}")
        encoders.pop("OpenVINO bf16, first start (converts)")
        measure(encoders, arguments.rounds, arguments.photos)


def measure(encoders: dict[str, Encoder], rounds: int, photos: int) -> None:
    side = next(iter(encoders.values())).card.input_size
    pictures = list(np.random.default_rng(0).integers(0, 255, (photos, side, side, 3), np.uint8))
    alone: dict[str, list[float]] = {name: [] for name in encoders}
    together: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(rounds):
        for name, encoder in encoders.items():
            began = time.perf_counter()
            for picture in pictures:
                encoder.predict(picture)
            alone[name].append((time.perf_counter() - began) / photos * 1e3)
            with ThreadPoolExecutor(encoder.requests) as pool:
                began = time.perf_counter()
                list(pool.map(encoder.predict, pictures))
            together[name].append((time.perf_counter() - began) / photos * 1e3)
    print(f"\n{f'{side} px, ms a photo':40} one at a time   in parallel")
    for name in encoders:
        print(
            f"{name:40} {statistics.median(alone[name]):10.1f} {statistics.median(together[name]):13.1f}"
        )


if __name__ == "__main__":
    main()
