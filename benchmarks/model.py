"""How fast is the network on each runtime, how right, and how long does it take to start?

    .venv/bin/python benchmarks/model.py [--rounds 7] [--photos 60] [--data SOURCE --group COLUMN]

In each round every runtime embeds the same noise pictures, one after the other and then with as many
threads as it has infer requests, so that all see the same machine; the figures are medians of the rounds.
With --data int8 takes part, quantised on 300 photos of those that `train` would train on (needs the extra
int8), and each tells how many of the held-out ones it labels rightly.
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

from service.decode import Limits
from service.encoder import Encoder
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.calibration import unit
from service.encoder.keras import TensorFlowEncoder
from service.encoder.openvino import OpenVinoEncoder
from service.encoder.quantize import PICTURES, quantize
from service.training.data import Sample, read_samples
from service.training.figures import wilson
from service.training.held_out import split
from service.training.observe import observe
from service.training.pixels import load_pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--group", action="append", default=[])
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
        if arguments.data is not None:
            training, held_out = split(read_samples([arguments.data], groups=arguments.group))
            encoders["OpenVINO int8"] = quantised(training, cache)
        measure(encoders, arguments.rounds, arguments.photos)
        if arguments.data is not None:
            compare(encoders, [sample for sample in held_out if sample.label is not None])


def quantised(training: list[Sample], cache: Path) -> Encoder:
    some = training[:: max(1, len(training) // PICTURES)][:PICTURES]
    side = read_card(SHIPPED).input_size
    _, pictures = load_pixels(some, side, Limits(), cache / "pictures", lambda done, total: None)
    quantize(SHIPPED, cache, list(pictures))
    return OpenVinoEncoder(SHIPPED, cache, precision="int8")


def compare(encoders: dict[str, Encoder], samples: list[Sample]) -> None:
    """Accuracy, and how far embeddings are from those of OpenVINO f32."""
    print(
        f"\n{f'{len(samples)} held-out photos':40} right label            cosine, least and median"
    )
    wanted = unit(observe(encoders["OpenVINO f32"], samples, Limits()).features)
    for name, encoder in encoders.items():
        found = observe(encoder, samples, Limits())
        hits = int((found.logits.argmax(axis=1) == found.truth).sum())
        low, high = wilson(hits, len(found))
        cosines = (unit(found.features) * wanted).sum(axis=1)
        print(
            f"{name:40} {hits / len(found):.3f} ({low:.3f} to {high:.3f}) "
            f"{cosines.min():.5f} {np.median(cosines):.5f}"
        )


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
