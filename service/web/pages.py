"""The page."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from service.catalog import random_garment
from service.domain import Garment
from service.errors import FashionStudioError, Forbidden, Unauthorized
from service.web.auth import COOKIE, authorize
from service.web.context import studio

PICKS = 8  # garments to start from

pages = Blueprint("pages", __name__)


@pages.get("/")
def index() -> str | tuple[str, int]:
    """Everything is on it; its script asks the API and keeps the address in step.

    Where a key is needed and none is there, a page that asks for one.
    """
    try:
        picks, trouble = _picks()
    except Unauthorized:
        return render_template("sign-in.html"), 401
    return render_template(
        "index.html",
        labels=studio().model.labels,
        limits=studio().settings,
        picks=picks,
        trouble=trouble,
        signed_in=COOKIE in request.cookies,
    )


def _picks() -> tuple[list[Garment], FashionStudioError | None]:
    """A few garments by chance, each once; or why there are none. Raises as `authorize`."""
    found: dict[int, Garment] = {}
    try:
        authorize("read")
        for _ in range(2 * PICKS):
            garment = random_garment(studio().engine)
            found[garment.id] = garment
            if len(found) == PICKS:
                break
    except (Unauthorized, Forbidden):
        raise
    except FashionStudioError as error:
        return [], error
    return list(found.values()), None
