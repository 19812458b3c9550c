"""What all pages have in common."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from flask import Blueprint, Response, g, render_template
from sqlalchemy.exc import TimeoutError as PoolExhausted

from service.errors import FashionStudioError, Overloaded, Unauthorized
from service.web.auth import COOKIE, caller, client, cookie
from service.web.context import context, studio
from service.web.problems import refused, told

pages = Blueprint("pages", __name__)


@pages.before_request
def let_in() -> None:
    """A page counts as a call of the API does, and is refused where the process is full."""
    context().rates.count(client())
    g.room = ExitStack()
    g.room.enter_context(context().admission.admitted())


@pages.teardown_request
def leave(_error: BaseException | None) -> None:
    if "room" in g:
        g.pop("room").close()


def render(template: str, **shown: Any) -> str:
    """A page in the frame of them all, with the model's labels and the limits of what is sent."""
    here, key = studio(), caller()
    return render_template(
        template,
        labels=here.model.labels,
        limits=here.settings,
        reads_only=key is not None and not key.allows("write"),
        signed_in=cookie(COOKIE) is not None,
        **shown,
    )


@pages.errorhandler(Unauthorized)
def ask_for_key(_error: Unauthorized) -> tuple[str, int]:
    return render_template("sign-in.html"), 401


@pages.errorhandler(FashionStudioError)
def explain(error: FashionStudioError) -> Response:
    """The same problem, said to a person."""
    said = told(error)
    answer = refused(said)
    answer.content_type = "text/html; charset=utf-8"
    answer.set_data(render_template("trouble.html", title=said.title(), said=said.detail))
    return answer


@pages.errorhandler(PoolExhausted)
def explain_full_pool(_error: PoolExhausted) -> Response:
    return explain(Overloaded())
