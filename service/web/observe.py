"""Each request seen from outside: an id, a log line, its numbers."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request
from sqlalchemy import Engine, event

from service.logs import structured
from service.stages import add_to_stage, watch_stages
from service.studio import Studio
from service.web import metrics

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")  # an id from outside that is no trouble in a log
PROBES = {"/healthz", "/readyz", "/metrics"}
METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
LOAD = {"overloaded", "rate_limited", "timeout", "request_timeout", "database_unavailable"}

log = structured("service.access")


def observe(app: Flask, studio: Studio) -> None:
    """Watch an application's requests and its databases'. Before every other hook of the app."""
    app.before_request(_begin)
    app.after_request(_end)
    for engine in studio.engines:
        _watch_sql(engine)
    studio.replicas.count = lambda answered_by: metrics.READS.labels(answered_by).inc()
    studio.replicas.see = lambda replica: metrics.REPLICA_LAG.labels(replica.name).set(replica.lag)


def _begin() -> None:
    g.began = time.perf_counter()
    g.stages = watch_stages()
    given = request.headers.get(HEADER, "")
    g.request_id = given if SANE.fullmatch(given) else uuid.uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    seconds = time.perf_counter() - g.began
    path = request.url_rule.rule if request.url_rule is not None else "unmatched"
    method = request.method if request.method in METHODS else "other"  # each is a time series
    metrics.REQUESTS.labels(method, path, response.status_code).observe(seconds)
    for stage, taken in g.stages.items():
        metrics.STAGES.labels(stage).observe(taken)
    code = g.get("problem")
    if code in LOAD:
        metrics.REFUSED.labels(code).inc()
    response.headers[HEADER] = g.request_id
    level = "debug" if path in PROBES or path.startswith("/static") else "info"
    getattr(log, level)(
        "request",
        method=request.method,
        path=path,
        status=response.status_code,
        ms=round(seconds * 1e3, 2),
        **{f"{stage}_ms": round(taken * 1e3, 2) for stage, taken in g.stages.items()},
        **({"code": code} if code else {}),
        client=request.remote_addr,
    )
    return response


def _watch_sql(engine: Engine) -> None:
    """Time statements, and count the connections in use."""

    def before(_connection, _cursor, _statement, _parameters, context, _many) -> None:  # type: ignore[no-untyped-def]
        context.began = time.perf_counter()

    def after(_connection, _cursor, _statement, _parameters, context, _many) -> None:  # type: ignore[no-untyped-def]
        add_to_stage("sql", time.perf_counter() - context.began)

    def taken(_connection, record, _proxy) -> None:  # type: ignore[no-untyped-def]
        if not record.info.get("counted"):
            record.info["counted"] = True
            metrics.CONNECTIONS.inc()

    def given_back(_connection, record) -> None:  # type: ignore[no-untyped-def]
        if record.info.pop("counted", False):  # one that could not be made is given back as well
            metrics.CONNECTIONS.dec()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", given_back)
