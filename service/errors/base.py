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

    @property
    def is_ours(self) -> bool:
        """Whether the installation is at fault (network, disk, database) rather than what was asked, say a
        photo: of many, the others need not be tried."""
        return self.status >= 500

    @classmethod
    def title(cls) -> str:
        """The first sentence of the class's docstring: the same for every occurrence."""
        return re.sub(r"\s+", " ", cls.__doc__ or "").strip().split(". ")[0].rstrip(".")
