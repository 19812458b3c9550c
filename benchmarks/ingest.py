"""How much of the bare model's speed does ingest keep?

    .venv/bin/python benchmarks/ingest.py SOURCE [--rounds 5]

SOURCE is a table or a folder of photos. In each round the bare model embeds the photos, decoded and
fitted beforehand, with as many threads as it has infer requests; then `ingest` takes the same files into
an empty database. The two take turns so that both see the same machine; the figures are medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from own import own_settings
from sqlalchemy import text

from service.decode import Limits, decode, fit, read
from service.ingest import ingest
from service.sources import read_source
from service.studio import Studio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        Studio(own_settings(Path(home))) as studio,
    ):
        encoder, limits, side = studio.encoder, Limits(), studio.card.input_size
        squares = [
            fit(decode(read(item.file, limits), limits, side=side).pixels, side)
            for item in read_source(arguments.source, labels=studio.card.labels)
        ]
        bare, taken = [], []
        with ThreadPoolExecutor(encoder.requests) as pool:
            list(pool.map(encoder.predict, squares[:50]))
            for _ in range(arguments.rounds):
                began = time.perf_counter()
                list(pool.map(encoder.predict, squares))
                bare.append(len(squares) / (time.perf_counter() - began))
                with studio.engine.begin() as connection:
                    connection.execute(text("TRUNCATE garment CASCADE"))
                summary = ingest(studio, arguments.source)
                assert summary.added == len(squares), summary
                taken.append(summary.added / summary.seconds)
    ratios = [b / a for a, b in zip(bare, taken, strict=True)]
    print(f"{len(squares)} photos, {side} px, {encoder.description}, {arguments.rounds} rounds")
    print(f"bare model  {statistics.median(bare):7.1f} photos/s")
    print(f"ingest      {statistics.median(taken):7.1f} photos/s")
    print(
        f"ratio       {statistics.median(ratios):7.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
