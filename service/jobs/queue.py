"""Imports, analyses and switches put into the queue."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import psycopg
from procrastinate.exceptions import AlreadyEnqueued

from service.catalog import (
    ImportRun,
    ModelRecord,
    Standing,
    SwitchRecord,
    analysis_standing,
    in_transaction,
    only_switcher,
    queue_import,
    queue_switch,
)
from service.intake import Labels
from service.jobs.roots import require_source
from service.jobs.tasks import analyse_garments, import_photos, switch_model
from service.sources import read_source
from service.studio import Studio
from service.switch import Options


def request_import(studio: Studio, source: str, labels: Labels) -> ImportRun:
    """Record an import and queue its job, both or neither.

    Raises `ImportsDisabled`, `SourceForbidden`, `SourceInvalid` where no worker could read it, and
    `DatabaseUnavailable`.
    """
    path, _ = require_source(source, studio.settings)
    read_source(path, labels=studio.model.labels)

    def enqueue(connection: psycopg.Connection, run_id: int) -> None:
        import_photos.configure(connection=connection).defer(run_id=run_id)

    return queue_import(studio.engine, source=str(path), labels=labels, enqueue=enqueue)


def request_analysis(studio: Studio) -> Standing:
    """Queue the search for every garment's neighbours, unless one waits or runs already.

    Returns how the stored reports stand meanwhile.
    """
    stands = analysis_standing(studio.engine, studio.settings.duplicate_similarity)
    if stands.progress is not None:
        return stands
    with suppress(AlreadyEnqueued):
        in_transaction(
            studio.engine,
            lambda connection: analyse_garments.configure(
                connection=connection, queueing_lock="analysis"
            ).defer(),
        )
    return replace(stands, queued=True)


def request_switch(studio: Studio, model: ModelRecord, options: Options) -> SwitchRecord:
    """Record a switch and queue its job, both or neither.

    Raises `SwitchRunning`, and `DatabaseUnavailable`.
    """

    def enqueue(connection: psycopg.Connection, switch_id: int) -> None:
        switch_model.configure(connection=connection).defer(switch_id=switch_id)

    with only_switcher(studio.engine):
        return queue_switch(studio.engine, model.id, options.as_dict(), enqueue)
