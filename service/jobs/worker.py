"""The worker: a process that does the queue's jobs, one at a time of each kind.

It outlives its database: while that is away it asks again, and where the embedded server died it is
this process that starts it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from contextlib import suppress
from functools import partial

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.worker import Worker
from psycopg_pool import PoolTimeout

from service.catalog import (
    give_up_import,
    give_up_switch,
    libpq,
    open_switch,
    sweep_imports,
    usable,
)
from service.errors import DatabaseUnavailable
from service.jobs.tasks import BEAT_SECONDS, MOST_ATTEMPTS, STALLED_SECONDS, queue, switch_model
from service.processes import Stop
from service.settings import Settings
from service.studio import Studio

GRACE_SECONDS = 15.0  # for an import's batch under way when the worker is told to stop
ROUND_SECONDS = 5.0  # between two looks after jobs whose worker died
LONGEST_PAUSE = 10.0  # between two attempts to reach the database
NICE = 5  # beside a server
CONCURRENCY = 2  # so that an index need not wait for an import

log = logging.getLogger(__name__)


def run_worker(settings: Settings, *, once: bool = False, parent: int | None = None) -> None:
    """Do jobs until SIGTERM or Ctrl-C. once: only those that wait now.

    parent: stop too when the process of this id is no longer this one's parent, and give way to
    those that answer.
    Raises what `Studio` raises at the start, and `DatabaseUnfit` where the user may not do jobs; a
    database that goes away later is waited for, unless `once`.
    """
    if parent is not None:
        os.nice(NICE)
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    reached, pause = False, 0.5
    while not stop.is_set() and not _orphaned(parent):
        try:
            with usable(), Studio(settings) as studio:
                reached, pause = True, 0.5
                if parent is None:  # a server has said them itself
                    for warning in studio.warnings:
                        log.warning("%s", warning)
                _work(studio, stop, once, parent)
            if once:
                return
        except DatabaseUnavailable as error:
            if once or not reached:
                raise
            log.warning("%s", error.detail)
        stop.wait(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _work(studio: Studio, stop: Stop, once: bool, parent: int | None) -> None:
    """Until told to stop. Raises `DatabaseUnavailable` where the database goes away."""
    conninfo, parameters = libpq(studio.engine)
    connector = PsycopgConnector(
        conninfo=conninfo, kwargs=parameters, min_size=1, max_size=4, timeout=5
    )
    try:
        with queue.replace_connector(connector) as app:
            asyncio.run(_session(app, studio, stop, once, parent))
    except (ConnectorException, PoolTimeout) as error:
        why = error.__cause__ or error
        raise DatabaseUnavailable(f"The queue's database went away: {why}") from None


def _orphaned(parent: int | None) -> bool:
    return parent is not None and os.getppid() != parent


async def _session(app: App, studio: Studio, stop: Stop, once: bool, parent: int | None) -> None:
    async with app.open_async():
        worker = Worker(
            app,
            concurrency=1 if once else CONCURRENCY,  # one after another: also what a job queues
            wait=not once,
            fetch_job_polling_interval=ROUND_SECONDS,
            update_heartbeat_interval=BEAT_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            install_signal_handlers=False,
            additional_context={"studio": studio},
        )
        await _rescue(app, studio)
        working = asyncio.create_task(worker.run())
        keeping = asyncio.create_task(_keep_house(app, studio, worker))
        while not working.done():
            # First: a worker forgets what it was told before it ran
            await asyncio.wait({working}, timeout=0.2)
            if stop.is_set() or _orphaned(parent):
                stop.set()
                worker.shutdown_graceful_timeout = 0.1  # then jobs are asked to stop
                worker.stop()
                _end_at_last()
                break
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await working


async def _keep_house(app: App, studio: Studio, worker: Worker) -> None:
    while True:
        await asyncio.sleep(ROUND_SECONDS)
        with suppress(ConnectorException, PoolTimeout, DatabaseUnavailable):
            await _rescue(app, studio, worker.worker_id)


async def _rescue(app: App, studio: Studio, own: int | None = None) -> None:
    """Queue the jobs of dead workers again, up to a bound; close the imports that no one does.

    own: this worker's id. It is as silent as a dead one while its machine sleeps, and then goes on.
    """
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        if own is not None and job.worker_id == own:
            continue
        with suppress(ConnectorException):  # another worker was faster
            await _rescue_job(app, studio, job)
    for run_id in await asyncio.to_thread(sweep_imports, studio.engine):
        log.warning("Import %d was closed: nothing goes on with it.", run_id)
    await _sweep_switch(app, studio)


async def _sweep_switch(app: App, studio: Studio) -> None:
    """Close a switch that waits for a job which was given up; others could never begin."""
    waiting = await asyncio.to_thread(open_switch, studio.engine)
    if waiting is None or waiting.state != "queued":
        return
    jobs = await app.job_manager.list_jobs_async(task=switch_model.name)
    if not any(
        job.task_kwargs.get("switch_id") == waiting.id
        and job.status in (Status.TODO.value, Status.DOING.value)
        for job in jobs
    ):
        said = "The database went away too often."
        give_up = partial(give_up_switch, states=("queued",))
        await asyncio.to_thread(give_up, studio.engine, waiting.id, said)
        log.warning("The switch to %s was given up. %s", waiting.model, said)


async def _rescue_job(app: App, studio: Studio, job: Job) -> None:
    if job.attempts + 1 < MOST_ATTEMPTS:
        log.warning("The worker of %s died; the job starts again.", job.call_string)
        await app.job_manager.retry_job(job)
        return
    log.error("%s was begun %d times and never ended: given up.", job.call_string, MOST_ATTEMPTS)
    await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)
    said = f"It was begun {MOST_ATTEMPTS} times and never ended."
    for argument, give_up in (("run_id", give_up_import), ("switch_id", give_up_switch)):
        recorded = job.task_kwargs.get(argument)
        if isinstance(recorded, int):
            await asyncio.to_thread(give_up, studio.engine, recorded, said)


def _end_at_last() -> None:
    """A job that does not stop is left to the next worker, as if this one had been killed: an index
    build cannot be asked to stop, and Python waits for every thread."""
    timer = threading.Timer(GRACE_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
