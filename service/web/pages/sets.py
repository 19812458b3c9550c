"""What is in these photos."""

from __future__ import annotations

from service.web.auth import authorize
from service.web.pages.frame import pages, render


@pages.get("/sets")
@pages.get("/sets/<set_id>")
def sets(set_id: str | None = None) -> str:
    """Where photos are dropped, and a stored set; the script asks the API for it."""
    authorize("read")
    return render("sets.html")
