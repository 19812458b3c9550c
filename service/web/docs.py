"""The API described: as a document for programs, and on a page where it can be tried."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from service.web.openapi import document

docs = Blueprint("docs", __name__)


@docs.get("/openapi.json")
def openapi() -> dict[str, Any]:
    """OpenAPI 3.1."""
    return document()
