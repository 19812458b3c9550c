"""What a worker does. Each task may be run again after a crash at any point.

The tasks are procrastinate's; the worker hands them its studio.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress

from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import AlreadyEnqueued, JobAborted
from procrastinate.jobs import Job

from service.catalog import (
    Run,
    Switch,
    analyse,
    build_indexes,
    give_up_switch,
    keep_recall,
    only_switcher,
    shelves,
)
from service.errors import (
    AnalysisCancelled,
    AnalysisRunning,
    DatabaseUnavailable,
    FashionStudioError,
    ImportCancelled,
    ImportLost,
    StorageUnavailable,
    SwitchRunning,
)
from service.extent import Gone
from service.ingest import recorded
from service.intake import Options, take_in
from service.jobs.ownership import OwnJobs
from service.jobs.roots import require_source
from service.sources import Item, folder_of, read_source
from service.studio import Studio
from service.summary import Summary
from service.switch import work_on

MOST_ATTEMPTS = 8  # starts of one job, killed workers included, before it is given up
BEAT_SECONDS = 3.0  # between a worker's beats
STALLED_SECONDS = 12.0  # without a beat: the worker is dead, and another one takes its jobs
NEVER_FREE = (
    f"Another process worked on this catalog's models, or restored it, at all {MOST_ATTEMPTS} attempts. "
    "Nothing was changed; ask for the switch again."
)

log = logging.getLogger(__name__)
queue = App(connector=PsycopgConnector())  # holds the tasks; each worker has its own connections
queue.job_manager = OwnJobs(queue.connector)


class Patience(BaseRetryStrategy):
    """Again at once where the worker was told to stop; later and later while the database or
    the photos' store is away."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, JobAborted):
            return RetryDecision()
        if (
            isinstance(exception, DatabaseUnavailable | StorageUnavailable | SwitchRunning)
            and job.attempts + 1 < MOST_ATTEMPTS
        ):
            return RetryDecision(retry_in={"seconds": min(2 ** (job.attempts + 1), 120)})
        return None


@queue.task(name="import_photos", retry=Patience(), lock="import", pass_context=True)
def import_photos(context: JobContext, *, run_id: int) -> None:
    """Take the photos of a queued import in, from where the last attempt ended.

    One import at a time: the network uses every core already.
    """
    studio = _studio(context)
    run = Run.take_up(studio.engine, run_id)
    if run is None:
        log.info("Import %d is over already.", run_id)
        return

    def require_worker(_: Summary) -> None:
        if context.should_abort():
            raise JobAborted

    with suppress(ImportCancelled, ImportLost), recorded(run, resumed=_resumed(context)):
        source, roots = require_source(run.source, studio.settings)

        def items() -> Iterator[Item]:
            return read_source(source, labels=studio.model.labels, roots=roots)

        options = Options(labels=run.labels, roots=roots)
        gone = Gone(studio.engine, studio.images, folder_of(source))
        take_in(studio, items, options, gone=gone, run=run, progress=require_worker)
    with suppress(AlreadyEnqueued):
        context.app.configure_task("index_garments", queueing_lock="index").defer()


@queue.task(name="switch_model", retry=Patience(), lock="switch", pass_context=True)
def switch_model(context: JobContext, *, switch_id: int) -> None:
    """Embed every garment with another model, and let that serve, from where the last attempt ended."""
    studio = _studio(context)

    def require_worker(_stage: str, _done: int, _total: int) -> None:
        if context.should_abort():
            raise JobAborted

    try:
        with only_switcher(studio.engine):
            switch = Switch.take_up(studio.engine, switch_id)
            if switch is None:
                log.info("Switch %d is over already.", switch_id)
                return
            work_on(studio, switch, progress=require_worker, resumed=_resumed(context))
    except SwitchRunning:
        if _is_last(context):  # one under way is closed by the process that works on it
            give_up_switch(studio.engine, switch_id, NEVER_FREE, states=("queued",))
        raise
    except (DatabaseUnavailable, StorageUnavailable) as error:
        if _is_last(context):
            with suppress(DatabaseUnavailable):
                give_up_switch(studio.engine, switch_id, error.detail)
        raise  # `Patience` says whether it starts again
    except FashionStudioError as error:  # the record of one that had begun says so already
        give_up_switch(studio.engine, switch_id, error.detail, states=("queued",))
        log.warning("%s", error.detail)
        return
    log.info("%s serves from now on.", studio.follow().card.title)


@queue.periodic(cron="*/10 * * * *")
@queue.task(name="index_garments", retry=Patience(), lock="index", pass_context=True)
def index_garments(context: JobContext, timestamp: int = 0) -> None:
    """Build the similarity indexes that are due, and measure those that were built.

    Also every ten minutes, because garments come and go one by one as well.
    """
    engine = _studio(context).engine
    for label in build_indexes(engine):
        log.info("Built the index of %s: recall@10 is %.3f.", label, keep_recall(engine, label))


@queue.task(name="analyse_garments", retry=Patience(), lock="analysis", pass_context=True)
def analyse_garments(context: JobContext) -> None:
    """Search the neighbours of every garment for the stored reports; begun anew after a crash."""
    studio = _studio(context)

    def require_worker(done: int, total: int) -> None:
        if context.should_abort():
            raise JobAborted

    with suppress(AnalysisCancelled, AnalysisRunning):
        found = analyse(
            studio.engine,
            duplicate_similarity=studio.settings.duplicate_similarity,
            folder=studio.settings.folder(),
            progress=require_worker,
        )
        log.info("Analysed %d garments.", found)


@queue.periodic(cron="17 3 * * *")
@queue.task(name="measure_recall", retry=Patience(), lock="index", pass_context=True)
def measure_recall(context: JobContext, timestamp: int) -> None:
    """Once a night, what every index recalls: garments that came later may have changed it."""
    engine = _studio(context).engine
    for shelf in shelves(engine):
        if shelf.method == "hnsw":
            keep_recall(engine, shelf.label)


def _resumed(context: JobContext) -> tuple[type[Exception], ...]:
    """The errors after which this import's or switch's job is started again."""
    return (JobAborted,) if _is_last(context) else (JobAborted, StorageUnavailable)


def _is_last(context: JobContext) -> bool:
    """Whether this is the attempt after which `Patience` gives up."""
    return context.job.attempts + 1 >= MOST_ATTEMPTS


def _studio(context: JobContext) -> Studio:
    studio = context.additional_context["studio"]
    assert isinstance(studio, Studio)
    return studio
