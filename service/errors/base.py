"""What all refusals have in common."""

from __future__ import annotations

import re


class FashionStudioError(Exception):
    """Something went wrong."""

    code: str = "internal_error"
    status: int = 500

    def __init__(self, detail: str | None = None) -> None:
        text = detail if detail is not None else (self.__class__.__doc__ or "")
        self.detail = re.sub(r"\s+", " ", text).strip()
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The first sentence of the class's docstring: the same for every occurrence."""
        return re.sub(r"\s+", " ", cls.__doc__ or "").strip().split(". ")[0].rstrip(".")
