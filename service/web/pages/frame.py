"""What all pages have in common."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, render_template

from service.errors import FashionStudioError, Unauthorized
from service.web.auth import COOKIE, caller, cookie
from service.web.context import studio

pages = Blueprint("pages", __name__)


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
def explain(error: FashionStudioError) -> tuple[str, int]:
    """Said to a person. The detail of a fault of ours names hosts and folders: for the log alone."""
    g.problem = error.code
    said = error.detail if error.status < 500 else type(error)().detail
    return render_template("trouble.html", title=error.title(), said=said), error.status
