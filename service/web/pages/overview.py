"""The catalog as a whole: its reports as charts, and the state of its similarity indexes."""

from __future__ import annotations

from service.catalog import RECALL_MINIMUM, kept_recall, leftovers, shelves
from service.show import percent
from service.web.auth import authorize
from service.web.context import studio
from service.web.pages.frame import pages, render


@pages.get("/overview")
def overview() -> str:
    """The indexes are looked at here; the script asks the API for each report, all of them at once."""
    authorize("read")
    engine = studio().engine
    found = shelves(engine)
    return render(
        "overview.html",
        shelves=[shelf for shelf in found if shelf.rows],
        total=sum(shelf.rows for shelf in found),
        recalls={kept.label: kept for kept in kept_recall(engine)},
        leftovers=leftovers(engine),
        wanted=RECALL_MINIMUM,
        percent=percent,
    )
