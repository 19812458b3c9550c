"""The HTTP API under /api/v1: one module a resource."""

from __future__ import annotations

from flask import Blueprint

from service.web.api import analytics, classify, feedback, garments, imports, sets, similar

api = Blueprint("api", __name__, url_prefix="/api/v1")
for resource in (similar, classify, sets, garments, imports, analytics, feedback):
    api.register_blueprint(resource.routes)

__all__ = ["api"]
