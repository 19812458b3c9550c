"""The seed project's files into the catalog: read, checked and stored as a stream.

What can be refused whole is refused before a row is written: the files' form, their sizes, the labels'
column. Single rows that cannot be stored are set aside with their numbers. Batches are committed one by
one, and what is there already is left alone, so a run that was killed goes on where it was.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from service.artifacts.npz import FeatureReader
from service.catalog import (
    Building,
    BulkLoader,
    Progress,
    Row,
    Run,
    as_float16,
    build_indexes,
    flaw,
    is_storable,
    project_catalog,
    unfit_rows,
)
from service.domain import LabelSource
from service.errors import LabelUnknown, SourceInvalid
from service.ingest import recorded
from service.labels import given_label
from service.sources import IMAGE, LABEL
from service.studio import Studio
from service.summary import Summary, printable
from service.tables import csv_rows

BATCH = 4096  # rows to a commit: 34 MB of float32, 17 of float16
T = TypeVar("T")


def import_features(
    studio: Studio,
    csv: Path,
    npz: Path,
    *,
    labels: LabelSource = "given",
    progress: Callable[[Summary, int], None] = lambda summary, total: None,
    building: Callable[[Building], None] = lambda building: None,
) -> Summary:
    """Take embeddings into the catalog, as the serving bundle's, then build the indexes that are due.

    csv: the columns image_name, stored as image_path as it is, and category_label, a category's name
    or its number from 0. npz: (n, 2048) floats, row by row of the same garments. labels: who gave
    them. progress: called with the rows in all after every batch.

    Raises `SourceInvalid` before anything is written, but for damage amid the array;
    `DatabaseUnavailable`.
    """
    began, summary = time.monotonic(), Summary()
    named = sum(1 for _ in csv_rows(csv, IMAGE, LABEL))
    with FeatureReader(npz) as features:
        if named != features.rows:
            raise SourceInvalid(
                f"{csv} has {named} rows and the array in {npz} {features.rows}: not one's features "
                "are another's. Nothing was imported."
            )
        model = studio.model  # whose embeddings they are taken for, also where another takes over
        run = Run.start(studio.engine, source=f"{csv}, {npz}", labels=labels)

        def waits(at: Building) -> None:
            run.beat()  # which says where the import was cancelled
            building(at)

        loader = BulkLoader(studio.engine, model.id, building=waits)
        batches = _batches(csv, features, model.labels, labels)
        with recorded(run), closing(_ahead(batches)) as ready:
            run.beat(total=named)
            for batch in ready:
                added, updated = loader.write(batch.rows, Progress(run, batch.seen, batch.rejects))
                summary.seen += batch.seen
                summary.added += added
                summary.updated += updated
                summary.unchanged += len(batch.rows) - added - updated
                summary.rejects += batch.rejects
                summary.seconds = time.monotonic() - began
                progress(summary, named)
                run.beat(now=True)
                if summary.seen == batch.seen:  # the first one: those that follow have components
                    project_catalog(studio.engine)
    build_indexes(studio.engine, progress=building)
    return summary


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows to store, embeddings in float16, and those set aside of as many seen."""

    seen: int
    rows: list[Row]
    rejects: list[dict[str, Any]]


def _batches(
    csv: Path, features: FeatureReader, known: tuple[str, ...], source: LabelSource
) -> Iterator[_Batch]:
    """The files' rows, BATCH at a time, each stored or set aside."""
    named = enumerate(csv_rows(csv, IMAGE, LABEL), start=1)
    taken: dict[str, int] = {}  # image name -> its row
    for chunk in features.chunks(BATCH):
        half = as_float16(chunk)
        bad = unfit_rows(half)
        batch = _Batch(len(chunk), [], [])
        for place, (number, entry) in enumerate(itertools.islice(named, len(chunk))):
            name = entry[IMAGE]
            try:
                label = _label(entry, known)
                _check(name, taken)
                if bad[place]:
                    raise SourceInvalid(f"The embedding {flaw(chunk[place])}.")
            except (LabelUnknown, SourceInvalid) as error:
                reason = f"Row {number}: {error.detail}"
                batch.rejects.append(
                    {"image_path": printable(name), "reason": reason, "row": number}
                )
                continue
            taken[name] = number
            predicted = label if source == "predicted" else None
            batch.rows.append(Row(name, label, source, None, predicted, half[place], None))
        if len(batch.rows) + len(batch.rejects) != batch.seen:
            raise SourceInvalid(f"{csv} has lost rows while it was read.")
        yield batch


def _label(entry: dict[str, str], known: tuple[str, ...]) -> str:
    label = entry[LABEL].strip()
    if label in known:
        return label
    if not label:
        raise LabelUnknown("There is no label.")
    return given_label(label, known)


def _check(name: str, taken: dict[str, int]) -> None:
    if not name.strip():
        raise SourceInvalid("There is no image name.")
    if not is_storable(name):
        raise SourceInvalid("The image name is too long, or not valid UTF-8.")
    if name in taken:
        raise SourceInvalid(f"Row {taken[name]} has the same image name.")


def _ahead(items: Iterator[T]) -> Generator[T]:
    """The items, each made in a thread while the one before is in use."""
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
