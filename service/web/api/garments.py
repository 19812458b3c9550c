"""Single garments and their pictures."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, request, url_for

from service import curate
from service.catalog import garment_by_id, garments_page
from service.errors import (
    GarmentNotFound,
    GarmentUnrecognised,
    ImageMissing,
    ImagePathTaken,
    ImageTooLarge,
    ImageTypeUnsupported,
    ImageUndecodable,
    LabelUnknown,
    PictureGone,
    StorageUnavailable,
)
from service.schemas import Garment, GarmentPage
from service.web.conditions import GarmentsParameters
from service.web.context import context, studio
from service.web.openapi import operation
from service.web.parameters import ImageParameters, NewLabel
from service.web.paths import parse_garment_id
from service.web.pictures import PICTURE_TYPES, content_type, narrow
from service.web.uploads import GarmentForm

routes = Blueprint("garments", __name__, url_prefix="/garments")

FRESH = "private, max-age=3600"  # a picture of an id changes only when its file is taken in again


@routes.get("")
@operation(GarmentPage, scope="read", refuses=(LabelUnknown,))
def list_garments(query: GarmentsParameters) -> dict[str, Any]:
    """Garments by id, a page at a time; those that meet every condition.

    One that is added meanwhile is on a later page, unless another writer's with higher ids were there,
    and read, before it was; with `order=newest` it is on none. One that is removed is on none.
    """
    garments, cursor = studio().read(
        lambda engine: garments_page(
            engine,
            query.conditions(engine),
            order=query.order,
            limit=query.limit,
            cursor=query.cursor,
        )
    )
    return {"garments": [garment.as_dict() for garment in garments], "next_cursor": cursor}


@routes.post("")
@operation(
    Garment,
    201,
    scope="write",
    refuses=(
        LabelUnknown,
        GarmentUnrecognised,
        ImageMissing,
        ImagePathTaken,
        ImageTooLarge,
        ImageTypeUnsupported,
        ImageUndecodable,
        StorageUnavailable,
    ),
    headers={"Location": "the garment's own address"},
    also={200: "this very photo was there already, at this path"},
)
def add_garment(form: GarmentForm) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Take a photo into the catalog.

    The photo is stored under the image root before the garment is; a request that fails leaves
    neither. The same photo under another path is another garment.
    """
    garment, new = curate.add_garment(
        studio(), form.image.read(), label=form.label, image_path=form.image_path
    )
    place = url_for("api.garments.read_garment", garment_id=garment.id)
    return garment.as_dict(), 201 if new else 200, {"Location": place}


@routes.get("/<garment_id>")
@operation(Garment, scope="read", refuses=(GarmentNotFound,))
def read_garment(garment_id: str) -> dict[str, Any]:
    """A garment."""
    return garment_by_id(studio().engine, parse_garment_id(garment_id)).as_dict()


@routes.patch("/<garment_id>")
@operation(Garment, scope="write", refuses=(GarmentNotFound, LabelUnknown, StorageUnavailable))
def change_garment(garment_id: str, json: NewLabel) -> dict[str, Any]:
    """Give a garment another label.

    The label then counts as given. `confidence` becomes the model's probability of it, asked of the
    stored picture; it is null where that picture is gone.
    """
    return curate.relabel_garment(studio(), parse_garment_id(garment_id), json.label).as_dict()


@routes.delete("/<garment_id>")
@operation(status=204, scope="write", refuses=(GarmentNotFound,), description="removed")
def delete_garment(garment_id: str) -> tuple[str, int]:
    """Remove a garment from the catalog.

    Its picture is removed where it lies under `uploads/`, which is the service's own folder.
    """
    curate.delete_garment(studio(), parse_garment_id(garment_id))
    return "", 204


@routes.get("/<garment_id>/image")
@operation(
    scope="read",
    refuses=(GarmentNotFound, PictureGone, StorageUnavailable),
    description="the picture",
    content={kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURE_TYPES},
    headers={"ETag": "of these very bytes", "Cache-Control": FRESH},
    also={304: "the caller has it already, as its `If-None-Match` says"},
)
def read_image(garment_id: str, query: ImageParameters) -> Response:
    """A garment's picture as it is stored, or narrower."""
    number = parse_garment_id(garment_id)
    garment = studio().read(lambda engine: garment_by_id(engine, number))
    try:
        data = studio().images.read(garment.image_path)
        etag = hashlib.sha256(data).hexdigest() + (f"-{query.width}" if query.width else "")
        response = Response(status=304)
        if not request.if_none_match.contains_weak(etag):
            response = _picture(data, etag, query.width)
    except (ImageUndecodable, ImageTooLarge, ImageTypeUnsupported) as error:
        raise PictureGone(error.detail) from None
    response.set_etag(etag)
    response.headers["Cache-Control"] = FRESH
    return response


def _picture(data: bytes, etag: str, width: int | None) -> Response:
    if width is None:
        return Response(data, content_type=content_type(data))
    narrower = context().thumbnails.get(etag, lambda: narrow(data, width, studio().limits))
    return Response(narrower, content_type="image/jpeg")
