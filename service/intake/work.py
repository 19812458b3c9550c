"""What an engine is given to do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.extent import Gone
from service.intake.photo import Items, Options, Outcome
from service.model import Model
from service.sources import Item
from service.studio import Studio


@dataclass(frozen=True, slots=True)
class Work:
    """The photos of a source behind the first `skip`, for one model.

    source: starts the source anew. gone: its garments without a photo.
    """

    studio: Studio
    model: Model
    source: Items
    skip: int
    options: Options
    gone: Gone

    def items(self) -> Iterator[Item]:
        return itertools.islice(self.source(), self.skip, None)


Engine = Callable[[Work], Iterator[Outcome]]
"""Decodes and embeds: what becomes of each photo, in the source's order."""
