"""Photos into the catalog: decode and embed side by side, write in batches, each one commit.

The ledger is the catalog itself: a photo whose path, bytes and label stand there already is left
alone, so a run that was killed goes on where its last commit ended. Memory holds one batch and a
window of photos under way, however large the source.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.catalog import Filed, Known, Loader, Move, Progress, Row, Run, is_storable
from service.decode import read
from service.errors import BundleMismatch, FashionStudioError, GarmentUnrecognised
from service.extent import Gone
from service.model import Model
from service.recommend import given_label
from service.sources import Item, lies_in
from service.studio import Studio
from service.summary import Summary

BATCH = 256  # photos to a commit
WINDOW = 64  # photos under way beyond the batch: enough to keep every core busy during a commit
Labels = Literal["given", "predicted"]


@dataclass(frozen=True, slots=True)
class Options:
    """How photos are taken in. batch_size: photos to a commit.

    roots: folders that every file must lie in, links resolved; none: no such bound.
    """

    labels: Labels = "given"
    batch_size: int = BATCH
    roots: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Photo:
    """An item with its place in the catalog, and what the ledger knows of that place."""

    item: Item
    image_path: str
    known: Known | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a photo: a row to write, nothing to do, or the reason why it is rejected.

    moved: the garment that it was taken in as, under another path.
    """

    photo: _Photo
    row: Row | None = None
    moved: Filed | None = None
    changed: bool = False
    reason: str | None = None


def take_in(
    studio: Studio,
    items: Callable[[], Iterator[Item]],
    options: Options,
    *,
    gone: Gone,
    run: Run | None = None,
    progress: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Take photos in, in their order. items: starts the source anew at each call.

    gone: the source's garments without a photo; those that are found elsewhere keep their id.
    run: where it is recorded; a run that was begun before goes on behind its last batch. None: dry,
    nothing is embedded or written. The summary is of this call alone, the record of the whole run.
    Raises `SourceInvalid`, `DatabaseUnavailable`, `ImportCancelled`, `ImportLost`, and what `progress`
    raises, which is called after every batch; a broken photo is recorded and stops nothing.
    """
    began, summary = time.monotonic(), Summary()
    if run is not None:
        run.beat(total=sum(1 for _ in items()))
    model = studio.model
    while True:
        try:
            _take_in(studio, model, items, options, gone, run, progress, summary, began)
            summary.seconds = time.monotonic() - began
            return summary
        except BundleMismatch:  # another model took over: the batch under way is embedded by that
            model = studio.successor(model)
            gone.look_again()  # what that batch had claimed is not stored


def _take_in(
    studio: Studio,
    model: Model,
    items: Callable[[], Iterator[Item]],
    options: Options,
    gone: Gone,
    run: Run | None,
    progress: Callable[[Summary], None],
    summary: Summary,
    began: float,
) -> None:
    loader = Loader(studio.engine, model.id)
    workers = 2 if run is None else model.encoder.requests + 1  # one decodes, the others infer

    def settle(batch: list[_Outcome]) -> None:
        _settle(batch, loader, run, summary)
        summary.seconds = time.monotonic() - began
        progress(summary)
        if run is not None:
            run.beat(now=True)  # between batches an import can be cancelled

    with ThreadPoolExecutor(workers, "ingest") as pool:
        under_way: deque[Future[_Outcome]] = deque()
        batch: list[_Outcome] = []
        try:
            for photo in _photos(studio, loader, _rest(items, run), options.batch_size):
                under_way.append(pool.submit(_outcome, model, photo, options, gone, run is None))
                if len(under_way) > WINDOW:
                    batch.append(under_way.popleft().result())
                    if run is not None:
                        run.beat()
                if len(batch) >= options.batch_size:
                    settle(batch)
                    batch = []
            settle(batch + [future.result() for future in under_way])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _rest(items: Callable[[], Iterator[Item]], run: Run | None) -> Iterator[Item]:
    """The items that the run has not settled yet; all of them where the source is another by now."""
    found = items()
    if run is None or run.seen == 0:
        return found
    last = next(itertools.islice(found, run.seen - 1, None), None)
    if last is not None and printable(last.name) == run.last_item:
        return found
    run.restart()
    return items()


def _photos(
    studio: Studio, loader: Loader, items: Iterator[Item], batch_size: int
) -> Iterator[_Photo]:
    """Items with what the ledger knows of them, asked for a batch at a time."""
    named = ((item, studio.images.name_of(item.file)) for item in items)
    while chunk := list(itertools.islice(named, batch_size)):
        ledger = loader.known([path for _, path in chunk if is_storable(path)])
        for item, path in chunk:
            yield _Photo(item, path, ledger.get(path))


def _outcome(model: Model, photo: _Photo, options: Options, gone: Gone, dry_run: bool) -> _Outcome:
    """Runs in a worker thread; never raises for what is wrong with one photo."""
    try:
        if not is_storable(photo.image_path):
            return _Outcome(photo, reason="The path is too long, or not valid UTF-8.")
        if options.roots and not lies_in(photo.item.file, options.roots):
            return _Outcome(photo, reason="The file lies outside the folders that may be read.")
        given = None
        if options.labels == "given" and photo.item.label is not None:
            given = given_label(photo.item.label, model.labels)
        data = read(photo.item.file, model.limits)
        digest = hashlib.sha256(data).hexdigest()
        moved = gone.claim(digest, photo.image_path) if photo.known is None else None
        known = moved or photo.known
        if known is not None and _is_current(known, digest, given):
            return _Outcome(photo, moved=moved, changed=moved is not None)
        image = model.decode(data)
        if dry_run:
            return _Outcome(photo, moved=moved, changed=True)
        prediction = model.predict(image)
        if given is None and not prediction.recognised:
            raise GarmentUnrecognised()
        label = given if given is not None else prediction.label
        row = Row(
            image_path=photo.image_path,
            label=label,
            label_source="given" if given is not None else "predicted",
            confidence=prediction.confidence_of(label),
            predicted_label=prediction.label,
            embedding=prediction.embedding,
            content_sha256=image.sha256,
        )
        return _Outcome(photo, row=row, moved=moved, changed=True)
    except FashionStudioError as error:
        return _Outcome(photo, reason=error.detail)


def _settle(batch: list[_Outcome], loader: Loader, run: Run | None, summary: Summary) -> None:
    """Write a batch, its rejects and the run's counts in one transaction, and count."""
    rows = [outcome.row for outcome in batch if outcome.row is not None]
    rejects = [
        {"image_path": printable(outcome.photo.item.name), "reason": outcome.reason}
        for outcome in batch
        if outcome.reason is not None
    ]
    moves = [
        Move(outcome.moved, outcome.photo.image_path)
        for outcome in batch
        if outcome.moved is not None
    ]
    changed = sum(outcome.changed for outcome in batch)
    if run is None:
        new = sum(outcome.changed and outcome.photo.known is None for outcome in batch) - len(moves)
        added, updated = new, changed - new
    else:
        last = printable(batch[-1].photo.item.name) if batch else run.last_item
        added, updated = loader.write(rows, Progress(run, len(batch), rejects, last), moves)
        run.seen, run.last_item = run.seen + len(batch), last
    summary.seen += len(batch)
    summary.added += added
    summary.updated += updated
    summary.moved += len(moves)
    # a path that stands twice in a batch is written once, and its other lines changed nothing
    summary.unchanged += len(batch) - len(rejects) - added - updated
    summary.rejects += rejects


def _is_current(known: Known | Filed, digest: str, given: str | None) -> bool:
    """Whether the catalog holds these bytes under this label already."""
    if known.content_sha256 != digest:
        return False
    if given is None:
        return known.label_source == "predicted"
    return known.label_source == "given" and known.label == given


def printable(name: str) -> str:
    """A name from outside, as JSON and the terminal can show it."""
    return name.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
