"""Single garments and their pictures."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, request

from service.catalog import garment_by_id
from service.errors import GarmentNotFound, ImageUndecodable, PictureGone
from service.schemas import Garment
from service.web.context import studio
from service.web.openapi import operation
from service.web.parameters import ImageParameters, parse_garment_id
from service.web.pictures import PICTURE_TYPES, content_type, narrow

routes = Blueprint("garments", __name__, url_prefix="/garments")

FRESH = "private, max-age=3600"  # a picture of an id changes only when its file is taken in again


@routes.get("/<garment_id>")
@operation(Garment, scope="read", refuses=(GarmentNotFound,))
def read_garment(garment_id: str) -> dict[str, Any]:
    """A garment."""
    return garment_by_id(studio().engine, parse_garment_id(garment_id)).as_dict()


@routes.get("/<garment_id>/image")
@operation(
    scope="read",
    refuses=(GarmentNotFound, PictureGone),
    description="the picture",
    content={kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURE_TYPES},
    headers={"ETag": "of these very bytes", "Cache-Control": FRESH},
)
def read_image(garment_id: str, query: ImageParameters) -> Response:
    """A garment's picture as it is stored, or narrower; 304 where the caller has it already."""
    garment = garment_by_id(studio().engine, parse_garment_id(garment_id))
    try:
        data = studio().images.read(garment.image_path)
        etag = hashlib.sha256(data).hexdigest() + (f"-{query.width}" if query.width else "")
        response = Response(status=304)
        if not request.if_none_match.contains(etag):
            response = _picture(data, query.width)
    except ImageUndecodable as error:
        raise PictureGone(error.detail) from None
    response.set_etag(etag)
    response.headers["Cache-Control"] = FRESH
    return response


def _picture(data: bytes, width: int | None) -> Response:
    if width is None:
        return Response(data, content_type=content_type(data))
    return Response(narrow(data, width, studio().limits), content_type="image/jpeg")
