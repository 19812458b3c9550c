"""Imports and analyses put into the queue."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from procrastinate.exceptions import AlreadyEnqueued

from service.catalog import ImportRun, Standing, analysis_standing, in_transaction, queue_import
from service.intake import Labels
from service.jobs.roots import require_source
from service.jobs.tasks import analyse_garments, import_photos
from service.sources import read_source
from service.studio import Studio


def request_import(studio: Studio, source: str, labels: Labels) -> ImportRun:
    """Record an import and queue its job, both or neither.

    Raises `ImportsDisabled`, `SourceForbidden`, `SourceInvalid` where no worker could read it, and
    `DatabaseUnavailable`.
    """
    path, _ = require_source(source, studio.settings)
    read_source(path, labels=studio.card.labels)

    def enqueue(connection: psycopg.Connection, run_id: int) -> None:
        import_photos.configure(connection=connection).defer(run_id=run_id)

    return queue_import(studio.engine, source=str(path), labels=labels, enqueue=enqueue)


def request_analysis(studio: Studio) -> Standing:
    """Queue the search for every garment's neighbours, unless one waits or runs already.

    Returns how the stored reports stand meanwhile.
    """
    stands = analysis_standing(studio.engine)
    if stands.progress is None:
        with suppress(AlreadyEnqueued):
            in_transaction(
                studio.engine,
                lambda connection: analyse_garments.configure(
                    connection=connection, queueing_lock="analysis"
                ).defer(),
            )
    return stands
