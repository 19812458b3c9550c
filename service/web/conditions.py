"""Which garments: the conditions that `GET /garments` and the catalog's page take."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import Engine

from service.catalog import MAX_LIMIT, Conditions, category_names
from service.domain import LabelSource, Order
from service.labels import canonical
from service.web.given import Parameters
from service.web.parameters import LABEL

TEXT = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")  # Postgres holds no NUL


def _day(given: object) -> date:
    """As OpenAPI's `date`: pydantic would take a number too, and Python a week."""
    if isinstance(given, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", given):
        with suppress(ValueError):
            return date.fromisoformat(given)
    raise ValueError("it must be a day such as 2026-01-31")


Day = Annotated[date, BeforeValidator(_day)]


class GarmentsParameters(Parameters):
    """Which garments, in which order; see `service.catalog.Conditions`."""

    label: Annotated[str, LABEL] | SkipJsonSchema[None] = Field(
        default=None, description="only garments of this category, in any case"
    )
    label_source: LabelSource | SkipJsonSchema[None] = Field(
        default=None, description="only those whose label was given, or was predicted"
    )
    predicted_label: Annotated[str, LABEL] | SkipJsonSchema[None] = Field(
        default=None, description="only those of which the model alone says this, in any case"
    )
    model: Annotated[str, TEXT] | SkipJsonSchema[None] = Field(
        default=None,
        description="only those that this bundle embedded, name@version",
        examples=["lite0-fashion@4"],
    )
    q: Annotated[str, TEXT] | SkipJsonSchema[None] = Field(
        default=None,
        description="only those with this text in their path, in any case",
        examples=["summer/"],
    )
    min_confidence: Annotated[float, Field(ge=0, le=1)] | SkipJsonSchema[None] = Field(
        default=None, description="only those of whose label the model is at least so sure"
    )
    max_confidence: Annotated[float, Field(ge=0, le=1)] | SkipJsonSchema[None] = Field(
        default=None, description="only those of whose label the model is at most so sure"
    )
    added_from: Day | SkipJsonSchema[None] = Field(
        default=None, description="only those that came on this day or later, in UTC"
    )
    added_to: Day | SkipJsonSchema[None] = Field(
        default=None, description="only those that came on this day or earlier, in UTC"
    )
    order: Order = Field(default="oldest", description="`oldest` first, or `newest`")
    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="how many at most")
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | SkipJsonSchema[None] = Field(
        default=None, description="the `next_cursor` of the page before", examples=["50"]
    )

    def conditions(self, engine: Engine) -> Conditions:
        """With labels as the catalog spells them: it has more of them than the model, from another that
        served it before or is about to. Raises `LabelUnknown`."""
        asked = self.model_dump(exclude={"order", "limit", "cursor"})
        labels = [name for name in ("label", "predicted_label") if asked[name] is not None]
        known = category_names(engine) if labels else []
        return Conditions(**asked | {name: canonical(asked[name], known) for name in labels})
