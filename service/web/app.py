"""The application factory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from service.studio import Studio
from service.web import docs, health, pages, problems, session
from service.web.api import api
from service.web.context import EXTENSION, Context
from service.web.observe import observe
from service.web.own_writes import follow_writes
from service.web.tracing import trace

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY_BYTES = 65_536  # of a request; a form of photos raises it for itself

HEADERS = [  # which nothing else sets
    (
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]


class App(Flask):
    """Flask without what this application has no use for, and every request would pay."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func  # none is a coroutine

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Adds the headers of every answer, as they are: Flask's own way takes them for a client's."""

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[..., Any]:
            return start_response(status, headers + HEADERS, *error)

        return super().wsgi_app(environ, start)


class Json(DefaultJSONProvider):
    """Fields in the contract's order, text as it is."""

    sort_keys = False
    ensure_ascii = False


def create_app(studio: Studio, *, published: bool = False) -> Flask:
    """The page, the API and the probes over an open studio.

    The network is loaded by the first photo; `service.web.server` does it before a worker accepts.
    published: see `Context`.
    """
    app = App(__name__)
    app.json = Json(app)
    app.url_map.merge_slashes = False  # its redirects would be HTML
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.extensions[EXTENSION] = Context(studio, published)
    observe(app, studio)
    follow_writes(app, studio.replicas)
    app.register_blueprint(api)
    app.register_blueprint(health.probes)
    app.register_blueprint(pages.pages)
    app.register_blueprint(session.session)
    app.register_blueprint(docs.docs)
    problems.register(app)
    app.after_request(_complete)
    trace(app, studio.engines)
    if hops := studio.settings.trusted_proxies:  # last, so that traces see the client as well
        # Addresses are a list that each proxy adds to; the scheme is one word that each hands on
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=1)  # type: ignore[method-assign]
    studio.replicas.watch()
    return app


def _complete(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    if response.calculate_content_length() == 0:  # nothing is of no type; Flask calls it HTML
        response.headers.pop("Content-Type", None)
    return response
