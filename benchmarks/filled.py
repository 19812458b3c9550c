"""For benchmarks of the search: an embedded database of its own, full of garments with their indexes."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from garments import CACHE, PHOTOS, Garments, load
from own import own_settings
from peers.pgvector import VACUUM
from peers.studio import BATCH, session, store

from service.catalog import build_indexes
from service.studio import Studio


def parse(description: str, *, questions: int) -> argparse.Namespace:
    """The options that they share. questions: how many, where it is not said."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=139_734)
    parser.add_argument("--questions", type=int, default=questions)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    return parser.parse_args()


@contextmanager
def filled(arguments: argparse.Namespace) -> Iterator[tuple[Studio, Garments]]:
    """The garments, and a studio that holds them; gone afterwards."""
    garments = load(arguments.rows, arguments.cache, arguments.photos)
    with (
        tempfile.TemporaryDirectory(
            prefix="fashion-studio-bench-", ignore_cleanup_errors=True
        ) as home,
        Studio(own_settings(Path(home))) as studio,
    ):
        store(studio, garments.labels, garments.shelf, garments.batches(BATCH))
        build_indexes(studio.engine)
        with session(studio) as connection:
            connection.execute(VACUUM)
        yield studio, garments
