"""An import's batches: what became of the photos is written and counted, each batch one commit.

The ledger is the catalog itself: a photo whose path, bytes and label stand there already is left
alone, so a run that was killed goes on where its last commit ended. Memory holds one batch and what
the engine has under way, however large the source.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from service.catalog import GarmentChanged, Loader, Move, Progress, Run
from service.errors import BundleMismatch, ImportLost
from service.extent import Gone
from service.intake.local import outcomes
from service.intake.photo import Items, Options, Outcome
from service.intake.work import Engine, Work
from service.studio import Studio
from service.summary import Summary, printable

OVERTAKEN = 5
"""How often another process may change garments that this one is about to move, before it gives up."""


def take_in(
    studio: Studio,
    items: Items,
    options: Options,
    *,
    gone: Gone,
    run: Run | None = None,
    engine: Engine = outcomes,
    progress: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Take photos in, in their order. items: starts the source anew at each call.

    gone: the source's garments without a photo; those that are found elsewhere keep their id.
    run: where it is recorded; a run that was begun before goes on behind its last batch. None with
    `options.dry` alone. engine: what decodes and embeds. The summary is of this call alone, the record
    of the whole run.
    Raises `SourceInvalid`, `DatabaseUnavailable`, `StorageUnavailable`, `ImportCancelled`, `ImportLost`,
    and what `progress` raises, which is called after every batch; a broken photo is recorded and stops
    nothing.
    """
    began, summary = time.monotonic(), Summary()
    if run is not None:
        run.beat(total=sum(1 for _ in items()))
    model, overtaken, fresh = studio.model, 0, set[str]()
    while True:
        loader = Loader(studio.engine, model.id)
        work = Work(studio, model, items, _settled(items, run), options, gone)
        batch: list[Outcome] = []
        try:
            for outcome in engine(work):
                batch.append(outcome)
                if run is not None:
                    run.beat()
                if len(batch) >= options.batch_size:
                    _settle(batch, loader, run, fresh, summary, began, progress)
                    batch = []
            _settle(batch, loader, run, fresh, summary, began, progress)
            return summary
        except BundleMismatch:  # another model took over: the batch under way is embedded by that
            model = studio.successor(model)
        except GarmentChanged:
            overtaken += 1
            if overtaken > OVERTAKEN:
                raise ImportLost(
                    "Another process keeps moving the same garments. Start again when it is through."
                ) from None
        gone.look_again()  # what that batch had claimed is not stored


def _settled(items: Items, run: Run | None) -> int:
    """How many items the run has settled before; 0 where the source is another by now."""
    if run is None or run.seen == 0:
        return 0
    last = next(itertools.islice(items(), run.seen - 1, None), None)
    if last is not None and printable(last.name) == run.last_item:
        return run.seen
    run.restart()
    return 0


def _settle(
    batch: list[Outcome],
    loader: Loader,
    run: Run | None,
    fresh: set[str],
    summary: Summary,
    began: float,
    progress: Callable[[Summary], None],
) -> None:
    """Write a batch, its rejects and the run's counts in one transaction, and count.

    fresh: paths that a dry run has counted as added: their next lines would find them there.
    """
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
        new = [
            o.photo.image_path for o in batch if o.changed and (o.photo.known or o.moved) is None
        ]
        added, updated = len(set(new) - fresh), changed - len(new)
        fresh.update(new)
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
    summary.seconds = time.monotonic() - began
    progress(summary)
    if run is not None:
        run.beat(now=True)  # between batches an import can be cancelled
