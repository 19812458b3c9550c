"""Probes for whatever runs the service."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from service.catalog import check_server, require_head
from service.errors import DatabaseUnavailable, FashionStudioError, NotReady
from service.web.context import context
from service.web.problems import problem

probes = Blueprint("probes", __name__)


@probes.get("/healthz")
def alive() -> dict[str, Any]:
    """The process answers; it says nothing of the database."""
    return {"status": "ok"}


@probes.get("/readyz")
def ready() -> dict[str, Any] | Response:
    """200 once the database answers with the newest schema and the network has inferred once.

    503 with what is `missing` otherwise: the code is that of the first reason.
    """
    missing = dict(_missing())
    if not missing:
        return {"status": "ready"}
    first = next(iter(missing.values()))
    return problem(
        first.code,
        first.title(),
        503,
        " ".join(error.detail for error in missing.values()),
        missing=list(missing),
    )


def _missing() -> list[tuple[str, FashionStudioError]]:
    found: list[tuple[str, FashionStudioError]] = []
    engine = context().studio.engine
    try:
        check_server(engine)
        require_head(engine)
    except DatabaseUnavailable as error:
        found.append(("database", error))
    except FashionStudioError as error:
        found.append(("schema", error))
    if not context().inferred:
        found.append(("network", NotReady()))
    return found
