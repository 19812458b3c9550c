"""The pages people use: templates here, what they show from the API. One module a page.

A page that needs a key and has none asks for one, at its own address.
"""

from __future__ import annotations

from service.web.pages import catalog, find, modules, overview, sets
from service.web.pages.frame import pages

__all__ = ["catalog", "find", "modules", "overview", "pages", "sets"]
