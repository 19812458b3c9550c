"""The JSON of reports and of feedback, field by field; `schemas` has the rest of the HTTP API's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from service.domain import Verdict
from service.schemas import GarmentId, Schema, Sha256


class Feedback(Schema):
    """Somebody's verdict on a match. Ids are null where that garment was removed, or never was one."""

    id: Annotated[int, Field(ge=1)]
    query_id: GarmentId | None
    query_sha256: Sha256 | None
    match_id: GarmentId | None
    verdict: Verdict
    created_at: datetime


class FeedbackList(Schema):
    """The newest verdicts first."""

    feedback: list[Feedback]


class ReportColumn(Schema):
    """A column of a report, and what it means."""

    name: str
    kind: Literal["text", "integer", "number", "boolean", "date", "time"]
    meaning: str


class Progress(Schema):
    """How many of how many."""

    done: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]


class Analysis(Schema):
    """How the stored reports stand: when they were made, what is wrong with them, and how many garments
    are through where they are being made. Each of these is null where there is nothing to say. `queued`:
    an analysis waits for a worker."""

    made_at: datetime | None
    complaint: str | None
    progress: Progress | None
    queued: bool


class Report(Schema):
    """A report on the catalog: rows as objects, whose keys `columns` explains.

    `more` says that `limit` left rows out. A `stored` report was made at `made_at`, which is null where
    it never was; `note` says what is to be known or done before it is trusted, `progress` how many
    garments are through where it is being made, and `queued` whether that waits for a worker. The others
    are of the catalog as it is.
    """

    report: Annotated[str, Field(examples=["categories"])]
    title: str
    columns: list[ReportColumn]
    rows: list[dict[str, bool | int | float | str | None]]
    more: bool
    stored: bool
    made_at: datetime | None
    note: str | None
    progress: Progress | None
    queued: bool
