"""Single garments and their pictures."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, request

from service.catalog import garment_by_id
from service.errors import ImageUndecodable, PictureGone
from service.web.context import studio
from service.web.parameters import ImageParameters, Parameters, garment_id, parameters
from service.web.pictures import content_type, narrow

routes = Blueprint("garments", __name__, url_prefix="/garments")

FRESH = "private, max-age=3600"  # a picture of an id changes only when its file is taken in again


@routes.get("/<text>")
def show(text: str) -> dict[str, Any]:
    """A `Garment`. garment_not_found."""
    parameters(Parameters)
    return garment_by_id(studio().engine, garment_id(text)).as_dict()


@routes.get("/<text>/image")
def image(text: str) -> Response:
    """The picture's bytes, or a JPEG no wider than `width`; 304 where the caller has it already.

    garment_not_found, picture_gone, invalid_parameter.
    """
    width = parameters(ImageParameters).width
    garment = garment_by_id(studio().engine, garment_id(text))
    try:
        data = studio().images.read(garment.image_path)
        etag = hashlib.sha256(data).hexdigest() + (f"-{width}" if width else "")
        response = Response(status=304)
        if not request.if_none_match.contains(etag):
            response = _picture(data, width)
    except ImageUndecodable as error:
        raise PictureGone(error.detail) from None
    response.set_etag(etag)
    response.headers["Cache-Control"] = FRESH
    return response


def _picture(data: bytes, width: int | None) -> Response:
    if width is None:
        return Response(data, content_type=content_type(data))
    return Response(narrow(data, width, studio().limits), content_type="image/jpeg")
