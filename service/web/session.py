"""The page's key: given once, kept by the browser where no script can read it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
from pydantic import Field

from service.errors import Unauthorized
from service.web.auth import COOKIE, client
from service.web.context import context
from service.web.given import Parameters, json_body

session = Blueprint("session", __name__)

# Lives as long as the browser runs; pictures need it too, and they carry no header of ours. Lax: who follows
# a link in a mail is signed in as before, and all that a link can do is read.
KEPT: dict[str, Any] = {"path": "/", "httponly": True, "samesite": "Lax"}


class Key(Parameters):
    key: str = Field(max_length=200)


@session.post("/session")
def sign_in() -> Response:
    """Keep the JSON's `key` in a cookie: 204. unauthorized, invalid_parameter, rate_limited."""
    context().rates.count(client())
    secret = json_body(Key).key
    if context().access.key(secret) is None:
        raise Unauthorized("The API key is not known, or was revoked.")
    answer = Response(status=204)
    answer.set_cookie(COOKIE, secret, secure=request.is_secure, **KEPT)
    return answer


@session.delete("/session")
def sign_out() -> Response:
    """Forget the cookie: 204."""
    answer = Response(status=204)
    answer.delete_cookie(COOKIE, secure=request.is_secure, **KEPT)
    return answer
