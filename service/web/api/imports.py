"""Imports in the background: asked for, watched, cancelled."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, url_for

from service import catalog
from service.errors import (
    ImportNotFound,
    ImportsDisabled,
    SourceForbidden,
    SourceInvalid,
    StorageUnavailable,
)
from service.jobs import request_import
from service.schemas import Import, ImportList
from service.web.context import studio
from service.web.openapi import operation
from service.web.parameters import ImportBody, ImportListParameters
from service.web.paths import parse_import_id

routes = Blueprint("imports", __name__, url_prefix="/imports")


@routes.post("")
@operation(
    Import,
    202,
    scope="admin",
    refuses=(ImportsDisabled, SourceForbidden, SourceInvalid, StorageUnavailable),
    headers={"Location": "where to watch it"},
)
def add_import(json: ImportBody) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Take photos that lie on the server into the catalog, in the background."""
    run = request_import(studio(), json.source, json.labels)
    place = url_for("api.imports.read_import", import_id=run.id)
    return run.as_dict(), 202, {"Location": place}


@routes.get("")
@operation(ImportList, scope="read")
def list_imports(query: ImportListParameters) -> dict[str, Any]:
    """The newest imports."""
    found = catalog.list_imports(studio().engine, limit=query.limit, before=query.before)
    return {"imports": [run.as_dict() for run in found]}


@routes.get("/<import_id>")
@operation(Import, scope="read", refuses=(ImportNotFound,))
def read_import(import_id: str) -> dict[str, Any]:
    """How far an import is."""
    return catalog.get_import(studio().engine, parse_import_id(import_id)).as_dict()


@routes.post("/<import_id>/cancel")
@operation(Import, 202, scope="admin", refuses=(ImportNotFound,))
def cancel_import(import_id: str) -> tuple[dict[str, Any], int]:
    """Stop an import; what it has taken in stays. One that is over is left as it is."""
    run = catalog.cancel_import(studio().engine, parse_import_id(import_id))
    return run.as_dict(), 202
