"""More like this."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from service import recommend
from service.errors import (
    AmongUnknown,
    CatalogEmpty,
    GarmentNotFound,
    ImageMissing,
    ImageTooLarge,
    ImageTypeUnsupported,
    ImageUndecodable,
    LabelUnknown,
)
from service.schemas import Recommendation
from service.web.context import studio
from service.web.openapi import operation
from service.web.parameters import SimilarParameters
from service.web.paths import parse_garment_id
from service.web.uploads import ImageForm

routes = Blueprint("similar", __name__)


@routes.post("/similar")
@operation(
    Recommendation,
    scope="read",
    refuses=(
        LabelUnknown,
        AmongUnknown,
        ImageMissing,
        ImageTooLarge,
        ImageTypeUnsupported,
        ImageUndecodable,
        CatalogEmpty,
    ),
)
def similar_to_photo(query: SimilarParameters, form: ImageForm) -> dict[str, Any]:
    """The garments most like a photo."""
    how = query.query()
    model = studio().model
    photo = model.decode(form.image.read())
    return recommend.similar_to_photo(studio(), photo, how, model).as_dict()


@routes.get("/garments/<garment_id>/similar")
@operation(Recommendation, scope="read", refuses=(LabelUnknown, AmongUnknown, GarmentNotFound))
def similar_to_garment(garment_id: str, query: SimilarParameters) -> dict[str, Any]:
    """The garments most like one of the catalog."""
    how = query.query()
    return recommend.similar_to_garment(studio(), parse_garment_id(garment_id), how).as_dict()


@routes.get("/garments/random/similar")
@operation(Recommendation, scope="read", refuses=(LabelUnknown, AmongUnknown, CatalogEmpty))
def similar_to_any_garment(query: SimilarParameters) -> dict[str, Any]:
    """The garments most like one drawn by chance."""
    how = query.query()
    return recommend.similar_to_garment(studio(), None, how).as_dict()
