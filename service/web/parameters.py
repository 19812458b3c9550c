"""The parameters of each call: of the query, and JSON bodies. The same models validate and describe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from service.domain import LabelSource
from service.recommend import MOST, Query
from service.web.given import Parameters
from service.web.paths import BIGINT_DIGITS

# Which labels there are depends on the model that serves, so a document can only name the format
LABEL = Field(max_length=100, json_schema_extra={"format": "label"}, examples=["Dress"])


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
        description="with label=auto only: search every category needed to reach this probability; "
        "a garment of the catalog is of its own label for certain",
    )
    min_similarity: Annotated[float, Field(ge=-1, le=1)] | SkipJsonSchema[None] = Field(
        default=None,
        description="leave out matches below this cosine",
    )
    exact: bool = Field(default=False, description="use no approximate index")
    among: (
        Annotated[str, Field(pattern="^[a-z0-9_]{1,50}(,[a-z0-9_]{1,50}){0,9}$")]
        | SkipJsonSchema[None]
    ) = Field(
        default=None,
        description="search only the garments that the shop's views or tables `among_…` of these "
        "names name, separated by commas",
        json_schema_extra={"format": "among"},
        examples=["in_stock", "in_stock,under_50"],
    )

    def query(self) -> Query:
        return Query(self.n, self.label, self.mass, self.min_similarity, self.exact, self.among)


class SetParameters(Parameters):
    k: Annotated[int, Field(ge=1, le=1000)] | SkipJsonSchema[None] = Field(
        default=None,
        description="how many of the most common categories; all of them by default",
    )


class MoreParameters(SetParameters):
    after: Annotated[int, Field(ge=0)] | SkipJsonSchema[None] = Field(
        default=None,
        description="how many photos the set has: with another number nothing is added, so that a part "
        "which is sent again is not there twice",
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


class NewLabel(Parameters):
    """What a person says that a garment is."""

    label: Annotated[str, LABEL] = Field(description="a category of the serving model, in any case")
