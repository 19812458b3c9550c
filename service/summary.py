"""What an import did, as every way of importing tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Summary:
    """What an ingest did: seen = added + updated + unchanged + rejected.

    moved: those of the updated whose photo lies at another path than before. gone: the image paths of
    the source's garments that have lost their photo. pruned: those of them that were removed.
    """

    seen: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    gone: list[str] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    rejects: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {
            "seen": self.seen,
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": len(self.rejects),
            "rejects": self.rejects,
            "moved": self.moved,
            "gone": len(self.gone),
            "pruned": len(self.pruned),
            "prunes": self.pruned,
            "seconds": round(self.seconds, 3),
        }


def printable(name: str) -> str:
    """A name from outside, as JSON and the terminal can show it."""
    return name.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
