"""A page's scripts, all named in its head: one wait for them, not one for each level of their imports."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from service.web.pages.frame import pages

IMPORTED = re.compile(r' from "\./([\w-]+\.js)";')


@pages.app_template_global()
@cache
def modules(entry: str) -> tuple[str, ...]:
    """The names of the modules that this one of `static/` imports, directly or through others."""
    found: dict[str, None] = {}

    def follow(name: str) -> None:
        text = files("service.web").joinpath("static", name).read_text(encoding="utf-8")
        for imported in IMPORTED.findall(text):
            if imported not in found:
                found[imported] = None
                follow(imported)

    follow(entry)
    return tuple(found)
