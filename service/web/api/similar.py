"""More like this."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from service.recommend import find_garment, similar_to_garment, similar_to_photo
from service.web.context import studio
from service.web.parameters import SimilarParameters, garment_id, parameters
from service.web.uploads import uploaded_image

routes = Blueprint("similar", __name__)


@routes.post("/similar")
def to_photo() -> dict[str, Any]:
    """The garments most like the multipart `image`: a `Recommendation`.

    image_missing, image_undecodable, image_type_unsupported, image_too_large, invalid_parameter,
    label_unknown.
    """
    query = parameters(SimilarParameters).query()
    photo = studio().decode(uploaded_image())
    return similar_to_photo(studio(), photo, query).as_dict()


@routes.get("/garments/<text>/similar")
def to_garment(text: str) -> dict[str, Any]:
    """The garments most like one of the catalog: a `Recommendation`.

    garment_not_found, invalid_parameter, label_unknown.
    """
    query = parameters(SimilarParameters).query()
    garment = find_garment(studio(), garment_id(text))
    return similar_to_garment(studio(), garment, query).as_dict()


@routes.get("/garments/random/similar")
def to_any_garment() -> dict[str, Any]:
    """The same for a garment drawn by chance. catalog_empty, invalid_parameter, label_unknown."""
    query = parameters(SimilarParameters).query()
    garment = find_garment(studio(), None)
    return similar_to_garment(studio(), garment, query).as_dict()
