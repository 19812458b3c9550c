"""The API described: as a document for programs, and on a page where it can be tried.

The page is Swagger UI, its files from an installed package: nothing is fetched from elsewhere.
"""

from __future__ import annotations

from importlib.metadata import distribution
from typing import Any

from flask import Blueprint, Response, abort, render_template, send_file

from service.web.openapi import document

docs = Blueprint("docs", __name__)

# Found by its metadata: importing the package would bring in the framework that it is a plugin of
SWAGGER = distribution("flask-openapi3-swagger")
FILES = {
    "swagger-ui.css": "flask_openapi3_swagger/templates/swagger/css/swagger-ui.css",
    "swagger-ui-bundle.js": "flask_openapi3_swagger/templates/swagger/js/swagger-ui-bundle.js",
}


@docs.get("/openapi.json")
def openapi() -> dict[str, Any]:
    """OpenAPI 3.1."""
    return document()


@docs.get("/docs")
def page() -> str:
    return render_template("docs.html")


@docs.get("/docs/<name>")
def file(name: str) -> Response:
    if name not in FILES:
        abort(404)
    return send_file(str(SWAGGER.locate_file(FILES[name])), max_age=3600)
