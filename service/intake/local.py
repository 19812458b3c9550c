"""Photos decoded and embedded by threads of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from service.catalog import Loader
from service.intake.photo import Outcome, outcome_of, photos_of
from service.intake.work import Work
from service.storage import is_remote
from service.stores import FETCHERS

WINDOW = 64  # photos under way beyond the batch: enough to keep every core busy during a commit


def outcomes(work: Work) -> Iterator[Outcome]:
    """What becomes of each photo, in the source's order. Memory holds a window of photos under way."""
    model, options = work.model, work.options
    # one decodes, the others infer
    workers = 2 if options.dry else model.encoder.requests + 1
    if is_remote(work.gone.folder):
        workers += FETCHERS
    loader = Loader(work.studio.engine, model.id)
    photos = photos_of(work.items(), work.studio.images, loader, options.batch_size)
    with ThreadPoolExecutor(workers, "ingest") as pool:
        under_way: deque[Future[Outcome]] = deque()
        try:
            for photo in photos:
                under_way.append(pool.submit(outcome_of, photo, model, options, work.gone.claim))
                if len(under_way) > WINDOW:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
