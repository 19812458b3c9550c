"""An import from its first photo to the indexes, and the record of what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from service.catalog import Building, Run, build_indexes
from service.errors import DatabaseUnavailable, FashionStudioError, ImportCancelled
from service.extent import Gone
from service.intake import BATCH, Engine, Items, Labels, Options, outcomes, take_in
from service.sources import Item, folder_of, read_source
from service.storage import Location
from service.studio import Studio
from service.summary import Summary

__all__ = ["BATCH", "Summary", "ingest", "recorded"]


def ingest(
    studio: Studio,
    source: Location,
    *,
    labels: Labels = "given",
    image_root: Location | None = None,
    batch_size: int = BATCH,
    dry_run: bool = False,
    engine: Engine = outcomes,
    wanted: Callable[[Item], bool] | None = None,
    prune: Callable[[Gone], list[str]] = lambda gone: [],
    progress: Callable[[Summary], None] = lambda summary: None,
    building: Callable[[Building], None] = lambda building: None,
) -> Summary:
    """Take a source's photos into the catalog, then build the similarity indexes that are due.

    labels: `given` uses the source's label where it has one, `predicted` always the model's.
    image_root: where a table's paths start; by default at the table's folder.
    engine: what decodes and embeds; by default this process.
    wanted: which of the source's photos, where not all; the others are as they were. prune: handed the
    garments whose photo is gone, removes them as it sees fit and returns their paths.
    Raises `SourceInvalid`, `DatabaseUnavailable`, `StorageUnavailable`, `ImportCancelled`, and what
    `prune` raises; a broken photo is recorded and stops nothing.
    """
    items: Items = partial(read_source, source, labels=studio.model.labels, image_root=image_root)
    if wanted is not None:
        items = partial(_only, wanted, items)
    options = Options(labels=labels, batch_size=batch_size, dry=dry_run)
    items()  # a source that is at fault leaves no record
    gone = Gone(studio.engine, studio.images, folder_of(source, image_root))
    if dry_run:
        summary = take_in(studio, items, options, gone=gone, progress=progress)
    else:
        run = Run.start(studio.engine, source=str(source), labels=labels)
        with recorded(run):
            summary = take_in(
                studio, items, options, gone=gone, run=run, engine=engine, progress=progress
            )
        build_indexes(studio.engine, progress=building)
    summary.gone = [garment.image_path for garment in gone.garments]
    summary.pruned = prune(gone)
    return summary


def _only(wanted: Callable[[Item], bool], items: Items) -> Iterator[Item]:
    return filter(wanted, items())


@contextmanager
def recorded(run: Run, *, resumed: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Say all the while that someone is at work, and close the run's record with what became of it.

    A cluster may take minutes to start, and a photo to come: neither is the end of a process.
    resumed: errors after which another worker will go on with it. Without a database the record
    stays open, and is taken up, or swept, once it has been silent for long enough.
    """
    try:
        with run.waiting():
            yield
    except DatabaseUnavailable:
        raise
    except resumed:
        run.put_back()
        raise
    except ImportCancelled:
        run.finish("cancelled")
        raise
    except FashionStudioError as error:
        run.finish("failed", error.detail)
        raise
    except Exception as error:
        run.finish("failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C
        run.finish("interrupted")
        raise
    run.finish("done")
