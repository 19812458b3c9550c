"""Whoever has just changed something reads it from the primary: a replica may not have it yet."""

from __future__ import annotations

import math

from flask import Flask, Response, g

from service.catalog import Replicas
from service.web.auth import cookie

COOKIE = "fashion-studio-wrote"


def follow_writes(app: Flask, replicas: Replicas) -> None:
    """For as long as a replica may be behind, a cookie says so: any server process sees it, and none
    has to remember."""
    if not replicas.all:
        return
    seconds = math.ceil(replicas.lag_seconds) + 1

    def begin() -> None:
        replicas.prefer_primary(cookie(COOKIE) is not None)

    def end(response: Response) -> Response:
        if g.get("writes") and response.status_code < 400:
            response.set_cookie(COOKIE, "1", max_age=seconds, httponly=True, samesite="Strict")
        return response

    app.before_request(begin)
    app.after_request(end)
