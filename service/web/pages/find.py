"""More like this."""

from __future__ import annotations

from service.catalog import among_names, random_garment
from service.domain import Garment
from service.errors import FashionStudioError
from service.web.auth import authorize
from service.web.context import studio
from service.web.pages.frame import pages, render

PICKS = 12  # garments to start from


@pages.get("/")
def find() -> str:
    """Show a photo, see what is like it. The script asks the API; the address says what is shown."""
    authorize("read")
    picks, trouble = _picks()
    among = studio().read(among_names) if picks else []
    return render("find.html", picks=picks, trouble=trouble, among=among)


def _picks() -> tuple[list[Garment], FashionStudioError | None]:
    """A few garments by chance, each once; or why there are none."""
    found: dict[int, Garment] = {}
    try:
        for _ in range(2 * PICKS):
            garment = studio().read(random_garment)
            found[garment.id] = garment
            if len(found) == PICKS:
                break
    except FashionStudioError as error:
        return [], error
    return list(found.values()), None
