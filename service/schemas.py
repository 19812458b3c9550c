"""The JSON that the HTTP API sends, field by field: described by the server, read by the client."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.domain import ImportState, LabelSource, Method

Share = Annotated[float, Field(ge=0, le=1)]
GarmentId = Annotated[int, Field(ge=1, examples=[17])]
Label = Annotated[str, Field(description="a category of the serving model", examples=["Dress"])]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["ab" * 32])]
ImageUrl = Annotated[
    str,
    Field(description="relative to the server", examples=["/api/v1/garments/17/image"]),
]
ImagePath = Annotated[
    str,
    Field(
        description="below the image root, or the whole path where it lies elsewhere",
        examples=["summer/red-dress.jpg"],
    ),
]
ModelName = Annotated[
    str, Field(description="the bundle, name@version", examples=["lite0-fashion@4"])
]


def tidy(schema: dict[str, Any]) -> None:
    """Take out what pydantic says of fields that says nothing: their names again, null defaults."""
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
        if field.get("default", ...) is None:
            del field["default"]


class Schema(BaseModel):
    """What all have in common. A newer server may send more fields; an older client ignores them."""

    model_config = ConfigDict(frozen=True, json_schema_extra=tidy)


class LabelConfidence(Schema):
    """A category and its probability."""

    label: Label
    confidence: Share


class Classification(Schema):
    """What the network says of a photo; `labels` are all categories by falling probability.

    Where no garment is recognised `label` is null; `confidence` and `labels` are then guesses.
    """

    label: Label | None
    confidence: Share
    recognised: bool
    labels: list[LabelConfidence]


class Garment(Schema):
    """A garment of the catalog.

    `confidence` is the model's probability of `label`, whoever gave that label, and null where the model
    does not know that label; `predicted_label` is the model's first guess, also where it recognises no
    garment. Either is null where the model has not seen the photo.
    """

    id: GarmentId
    image_path: ImagePath
    image_url: ImageUrl
    label: Label
    label_source: LabelSource
    confidence: Share | None
    predicted_label: Label | None
    model: ModelName
    created_at: datetime


class GarmentPage(Schema):
    """Garments by id. `next_cursor` asks for the next page; it is null after the last one."""

    garments: list[Garment]
    next_cursor: str | None


class Scored(Schema):
    """A category and its probability; null for a garment that the model has not seen."""

    label: Label
    confidence: Share | None


class Asked(Schema):
    """What was asked about. A garment of the catalog has its id, path and address
    as well, a photo the SHA-256 of its bytes.

    A photo in which no garment is recognised has a `label` of null, and guesses.
    """

    label: Label | None
    confidence: Share | None
    recognised: bool
    labels: list[Scored]
    id: GarmentId | None = None
    image_path: ImagePath | None = None
    image_url: ImageUrl | None = None
    sha256: Sha256 | None = None


class Match(Schema):
    """A garment and its cosine similarity to the query."""

    id: GarmentId
    image_path: ImagePath
    image_url: ImageUrl
    label: Label
    similarity: Annotated[float, Field(ge=-1.000001, le=1.000001)]  # rounding


class Recommendation(Schema):
    """Matches by falling similarity, ties by id; a garment never matches itself.

    Where no garment is recognised in a photo, and no label was asked for, nothing is searched.
    """

    query: Asked
    matches: list[Match]
    searched_labels: list[Label]
    method: Method
    requested: Annotated[int, Field(ge=1, le=100)]
    returned: Annotated[int, Field(ge=0, le=100)]
    model: ModelName


class SetImage(Schema):
    """A photo of a set: its label and confidence, or why it has none.

    Where no garment is recognised `label` is null, and `confidence` that of the best guess.
    """

    filename: str
    label: Label | None = None
    confidence: Share | None = None
    recognised: bool | None = None
    error: str | None = None


class LabelCount(Schema):
    """How many photos have a label, and their share of all that have one."""

    label: Label
    count: Annotated[int, Field(ge=1)]
    share: Share


class PhotoSet(Schema):
    """A stored set: its photos in the order in which they came, and its most common categories."""

    id: UUID
    images: list[SetImage]
    top: list[LabelCount]
    model: ModelName
    created_at: datetime


class ImportReject(Schema):
    """A photo that could not be taken in, and why."""

    image_path: str
    reason: str


class Import(Schema):
    """An import: `done` of `total` photos, which is null until they are counted.

    done = added + updated + unchanged + rejected; `errors` are the first of those rejected, `error`
    says why the import as a whole failed. One whose process died without a successor is `interrupted`.
    """

    id: Annotated[int, Field(ge=1)]
    state: ImportState
    done: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)] | None
    errors: list[ImportReject]
    error: str | None
    source: str
    labels: LabelSource
    added: Annotated[int, Field(ge=0)]
    updated: Annotated[int, Field(ge=0)]
    unchanged: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)]
    cancel_requested: bool
    started_at: datetime
    finished_at: datetime | None


class ImportList(Schema):
    """The newest imports first, without their `errors`."""

    imports: list[Import]


class Problem(Schema):
    """What went wrong, as RFC 9457 has it. `code` is stable; `detail` is for people."""

    model_config = ConfigDict(extra="allow", json_schema_extra=tidy)

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: str
