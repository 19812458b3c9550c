"""The parameters of each call: of the query, and JSON bodies. The same models validate and describe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from service.catalog import MAX_LIMIT, Conditions, Order
from service.domain import LabelSource, Verdict
from service.recommend import MOST, Query, canonical
from service.web.given import Parameters
from service.web.paths import BIGINT_DIGITS

# Which labels there are depends on the model that serves, so a document can only name the format
LABEL = Field(max_length=100, json_schema_extra={"format": "label"}, examples=["Dress"])

MOST_ROWS = 10_000  # of a report
TEXT = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")  # Postgres holds no NUL

# pydantic alone would take a number for a day too
Day = Annotated[date, BeforeValidator(lambda given: date.fromisoformat(given))]


class SimilarParameters(Parameters):
    """How to search; see `service.recommend.Query`."""

    n: int = Field(default=9, ge=1, le=MOST, description="how many matches")
    label: Annotated[str, Field(json_schema_extra={"format": "labels"})] = Field(
        default="auto",
        description="which categories to search: `auto`, the photo's own; `any`; or names, "
        "separated by commas, in any case",
        examples=["auto", "any", "Dress,Romper"],
    )
    mass: Annotated[float, Field(gt=0, le=1)] | SkipJsonSchema[None] = Field(
        default=None,
        description="with label=auto only: search every category needed to reach this probability",
    )
    min_similarity: Annotated[float, Field(ge=-1, le=1)] | SkipJsonSchema[None] = Field(
        default=None,
        description="leave out matches below this cosine",
    )
    exact: bool = Field(default=False, description="use no approximate index")

    def query(self) -> Query:
        return Query(self.n, self.label, self.mass, self.min_similarity, self.exact)


class SetParameters(Parameters):
    k: Annotated[int, Field(ge=1, le=1000)] | SkipJsonSchema[None] = Field(
        default=None,
        description="how many of the most common categories; all of them by default",
    )


class ImageParameters(Parameters):
    width: Annotated[int, Field(ge=16, le=2048)] | SkipJsonSchema[None] = Field(
        default=None,
        description="a JPEG no wider than so many pixels, instead of the picture as it is stored",
    )


class ImportListParameters(Parameters):
    limit: int = Field(default=20, ge=1, le=100, description="how many, the newest first")
    before: Annotated[int, Field(ge=1, le=10**BIGINT_DIGITS)] | SkipJsonSchema[None] = Field(
        default=None, description="only imports of a lower id"
    )


class ImportBody(Parameters):
    source: str = Field(
        min_length=1,
        max_length=2000,
        json_schema_extra={"format": "source"},
        description="on the server: an absolute path of a folder, a table or DeepFashion annotations "
        "in one of the folders of FASHION_STUDIO_IMPORT_ROOTS",
        examples=["/photos/summer/garments.csv"],
    )
    labels: LabelSource = Field(
        default="given",
        description="`given` uses the source's labels where it has them, `predicted` the model's",
    )


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
        examples=["xception-fashion@1"],
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

    def conditions(self, known: Sequence[str]) -> Conditions:
        """known: the model's labels. Raises `LabelUnknown`."""
        asked = self.model_dump(exclude={"order", "limit", "cursor"})
        for name in ("label", "predicted_label"):
            if asked[name] is not None:
                asked[name] = canonical(asked[name], known)
        return Conditions(**asked)


class FeedbackListParameters(Parameters):
    limit: int = Field(default=100, ge=1, le=1000, description="how many, the newest first")
    before: Annotated[int, Field(ge=1, le=10**BIGINT_DIGITS)] | SkipJsonSchema[None] = Field(
        default=None, description="only feedback of a lower id"
    )


class AskedGarment(Parameters):
    """A garment of the catalog was asked about."""

    garment_id: int = Field(ge=1, le=10**BIGINT_DIGITS - 1)


class AskedPhoto(Parameters):
    """A photo was asked about."""

    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="of its bytes: `query.sha256` of the recommendation",
        examples=["ab" * 32],
    )


class FeedbackBody(Parameters):
    query: AskedGarment | AskedPhoto = Field(description="what was asked about")
    match_id: int = Field(
        ge=1, le=10**BIGINT_DIGITS - 1, description="the garment that was recommended"
    )
    verdict: Verdict = Field(description="whether it is a good match")


class ReportParameters(Parameters):
    limit: int = Field(default=1000, ge=1, le=MOST_ROWS, description="how many rows at most")


class NewLabel(Parameters):
    """What a person says that a garment is."""

    label: Annotated[str, LABEL] = Field(description="a category of the serving model, in any case")
