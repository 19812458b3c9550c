"""Imports put into the queue."""

from __future__ import annotations

import psycopg

from service.catalog import ImportRun, queue_import
from service.intake import Labels
from service.jobs.roots import require_source
from service.jobs.tasks import import_photos
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
