"""The page."""

from __future__ import annotations

from flask import Blueprint, render_template

from service.catalog import random_garment
from service.domain import Garment
from service.errors import FashionStudioError
from service.web.context import studio

PICKS = 8  # garments to start from

pages = Blueprint("pages", __name__)


@pages.get("/")
def index() -> str:
    """Everything is on it; its script asks the API and keeps the address in step."""
    picks, trouble = _picks()
    return render_template(
        "index.html",
        labels=studio().card.labels,
        limits=studio().settings,
        picks=picks,
        trouble=trouble,
    )


def _picks() -> tuple[list[Garment], FashionStudioError | None]:
    """A few garments by chance, each once; or why there are none."""
    found: dict[int, Garment] = {}
    try:
        for _ in range(2 * PICKS):
            garment = random_garment(studio().engine)
            found[garment.id] = garment
            if len(found) == PICKS:
                break
    except FashionStudioError as error:
        return [], error
    return list(found.values()), None
