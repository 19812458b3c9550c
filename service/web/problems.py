"""Every error as an RFC 9457 problem: `{"type", "title", "status", "detail", "code"}`.

`type` is `/problems/CODE`, which answers with what the code means.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Flask, Response, abort, g, jsonify, request
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import TimeoutError as PoolExhausted
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    default_exceptions,
)

from service.errors import (
    BodyTooLarge,
    FashionStudioError,
    ImageTooLarge,
    InvalidParameter,
    Overloaded,
    RateLimited,
    RequestSlow,
)
from service.web.connections import TooSlow

RETRY_SECONDS = 5
MULTIPART = "multipart/form-data"

log = logging.getLogger("service.web")

catalog = Blueprint("problems", __name__)


def problem(
    code: str, title: str, status: int, detail: str, headers: Any = (), **members: Any
) -> Response:
    """members: more fields of the problem, where a program can use them."""
    document = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail.encode(errors="replace").decode(),  # JSON may hold halves of characters
        "code": code,
    }
    g.problem = code  # for the log
    response = jsonify(document | members)
    response.status_code = status
    response.headers.extend(headers)
    response.content_type = "application/problem+json"
    if status == 503:
        response.headers["Retry-After"] = "1" if code == Overloaded.code else str(RETRY_SECONDS)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Fashion Studio"'
    return response


def refused(error: FashionStudioError, **members: Any) -> Response:
    response = problem(error.code, error.title(), error.status, error.detail, **members)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def register(app: Flask) -> None:
    """Let no error leave the application in another form."""
    app.register_blueprint(catalog)
    app.register_error_handler(FashionStudioError, _project)
    app.register_error_handler(HTTPException, _framework)
    app.register_error_handler(ParseException, _no_http)
    app.register_error_handler(PoolExhausted, lambda error: refused(Overloaded()))
    app.register_error_handler(Exception, _unexpected)


@catalog.get("/problems/<code>")
def explain(code: str) -> dict[str, Any]:
    """What a code means; every place that raises it says more in its detail."""
    known = {
        _code(error()): (error().name, status, error().description)
        for status, error in default_exceptions.items()
    } | {
        error.code: (error.title(), error.status, error().detail)
        for error in _family(FashionStudioError)
    }
    if code not in known:
        abort(404)
    title, status, description = known[code]
    return {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "description": description,
    }


def _family(error: type[FashionStudioError]) -> Iterator[type[FashionStudioError]]:
    yield error
    for child in error.__subclasses__():
        yield from _family(child)


def told(error: FashionStudioError) -> FashionStudioError:
    """What others are told of an error: the detail of a fault of ours names hosts and folders, and goes
    to the log alone."""
    if error.is_ours and not isinstance(error, Overloaded):  # the access log counts them
        log.error("%s: %s", error.code, error.detail)
    return bare(error)


def bare(error: FashionStudioError) -> FashionStudioError:
    """As `told`, and logs nothing."""
    return type(error)() if error.is_ours else error


def _project(error: FashionStudioError) -> Response:
    return refused(told(error))


def _framework(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, ClientDisconnected) and isinstance(error.__context__, TooSlow):
        return refused(RequestSlow())
    if isinstance(error, RequestEntityTooLarge):
        if request.mimetype == MULTIPART:
            return refused(ImageTooLarge("The request is larger than allowed."))
        return refused(BodyTooLarge())
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    return problem(_code(error), error.name, status, error.description or error.name, headers)


def _code(error: HTTPException) -> str:
    return re.sub(r"\W+", "_", error.name.lower())


def _no_http(_error: ParseException) -> Response:
    return refused(InvalidParameter("The body cannot be read as HTTP: its chunks are none."))


def _unexpected(error: Exception) -> Response:
    log.error("An unexpected error", exc_info=error)
    return refused(FashionStudioError("Something went wrong on the server; its log says what."))
