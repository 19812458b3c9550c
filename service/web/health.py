"""Probes for whatever runs the service."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.exc import TimeoutError as PoolExhausted

from service.catalog import check_server, open_switch, queue_state, require_head
from service.disks import nearly_full
from service.errors import (
    DatabaseUnavailable,
    FashionStudioError,
    HomeNotWritable,
    NotReady,
    Overloaded,
    SchemaAhead,
    TimeLimit,
    WorkerMissing,
)
from service.jobs import STALLED_SECONDS
from service.web import metrics
from service.web.auth import may
from service.web.context import context
from service.web.problems import bare, problem

log = logging.getLogger("service.web")

probes = Blueprint("probes", __name__)


@probes.get("/healthz")
def alive() -> dict[str, Any]:
    """The process answers; it says nothing of the database."""
    return {"status": "ok"}


@probes.get("/readyz")
def ready() -> dict[str, Any] | Response:
    """200 once the database answers with the newest schema and the network has inferred once.

    A database that was migrated for the next version is no obstacle: this one goes on until then.

    503 with what is `missing` otherwise: the code is that of the first reason, and the log says more.
    `warnings` are what does not keep it from answering, but someone should look at. They name folders
    and hosts: where keys are needed only a key for admin sees more than their number.
    """
    missing = dict(_missing())
    _log(missing.values())
    if not missing:
        warnings = _warnings()
        return {"status": "ready", "warnings": warnings if may("admin") else _number(warnings)}
    first = next(iter(missing.values()))
    return problem(
        first.code,
        first.title(),
        503,
        " ".join(bare(error).detail for error in missing.values()),
        missing=list(missing),
    )


@probes.get("/metrics")
def scrape() -> Response:
    """Numbers for Prometheus."""
    return metrics.exposition(context().numbers)


def _missing() -> list[tuple[str, FashionStudioError]]:
    found: list[tuple[str, FashionStudioError]] = []
    engine = context().studio.engine
    try:
        check_server(engine)
        require_head(engine)
    except (DatabaseUnavailable, TimeLimit) as error:
        found.append(("database", error))
    except PoolExhausted:
        found.append(("connection", Overloaded()))
    except SchemaAhead:
        pass  # a warning
    except FashionStudioError as error:
        found.append(("schema", error))
    if not context().inferred:
        found.append(("network", NotReady()))
    return found


def _log(missing: Iterable[FashionStudioError]) -> None:
    """Once until it changes: probes come every few seconds."""
    said = "; ".join(f"{error.code}: {error.detail}" for error in missing)
    if said and said != context().missing:
        log.error("Not ready. %s", said)
    context().missing = said


def _number(warnings: list[str]) -> list[str]:
    if not warnings:
        return []
    them = "it" if len(warnings) == 1 else "them"
    return [
        f"{len(warnings)} not told here: `fashion-studio doctor` shows {them}, "
        "and so does this with a key for admin."
    ]


def _warnings() -> list[str]:
    studio = context().studio
    said = []
    try:
        require_head(studio.engine)
    except SchemaAhead as error:
        said.append(error.detail)
    folders = [studio.images.folder] if studio.images.folder is not None else []
    try:
        studio.images.check()
    except FashionStudioError as error:
        said.append(error.detail)
    try:
        folders.append(studio.settings.folder())
    except HomeNotWritable as error:
        said.append(error.detail)
    said += nearly_full(folders)
    queue = queue_state(studio.engine, silence=STALLED_SECONDS)
    if queue.workers == 0 and queue.jobs.get("todo", 0):
        said.append(WorkerMissing().detail)
    if studio.trouble is not None:
        said.append(studio.trouble)
    said += studio.replicas.troubles()
    switch = open_switch(studio.engine)
    if switch is not None:
        said.append(switch.as_line())
    return said
