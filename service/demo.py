"""The demo: a catalog of drawn garments, taken in as any other photos are."""

from __future__ import annotations

from collections.abc import Callable

from service.catalog import Building
from service.collection import DRAWN, Recipe, draw_collection
from service.domain import Recommendation
from service.ingest import Summary, ingest
from service.recommend import Query, similar_to_garment
from service.studio import Studio

Progress = Callable[[str, int, int], None]  # what is being done, done, total


def build_demo(
    studio: Studio,
    garments: int,
    progress: Progress,
    building: Callable[[Building], None] = lambda building: None,
) -> Summary:
    """Draw the garments into the data folder and take them into the catalog; what is there stays: no
    fewer are drawn than there were, which another version's would replace."""
    folder = studio.settings.folder("demo")
    drawn = sum(DRAWN.fullmatch(path.name) is not None for path in folder.glob("images/*.jpg"))
    wanted = max(garments, drawn)
    table = draw_collection(
        folder,
        Recipe(garments=wanted),
        lambda done, total: progress("drawing garments", done, total),
    )
    return ingest(
        studio,
        table,
        progress=lambda s: progress("labelling and embedding", s.seen, wanted),
        building=building,
    )


def sample(studio: Studio) -> Recommendation:
    """A recommendation to show: more like a random garment of the catalog."""
    return similar_to_garment(studio, None, Query())
