"""What is in these photos: sets are stored, and their top categories counted in SQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, url_for
from werkzeug.datastructures import FileStorage

from service.catalog import SetImage, delete_set, get_set, store_set, top_of_set
from service.errors import FashionStudioError
from service.web.context import context, studio
from service.web.parameters import Parameters, SetParameters, parameters
from service.web.uploads import filename_of, uploaded_images

routes = Blueprint("sets", __name__, url_prefix="/sets")


@routes.post("")
def store() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Label every multipart `images` and keep the set: 201 and the set.

    An image that cannot be read is answered by its `error`; the others are labelled all the same.
    image_missing, image_too_large, invalid_parameter.
    """
    k = parameters(SetParameters).k
    parts = uploaded_images(studio().settings)
    here = context()  # the pool's threads know of no request
    images = here.side_by_side(lambda part: _label(part, here.predict), parts)
    set_id = store_set(studio().engine, studio().model_id, images)
    place = url_for("api.sets.show", set_id=set_id)
    return _body(set_id, k), 201, {"Location": place}


@routes.get("/<set_id>")
def show(set_id: str) -> dict[str, Any]:
    """A stored set: `{"id", "images", "top", …}`. set_not_found, invalid_parameter."""
    return _body(set_id, parameters(SetParameters).k)


@routes.delete("/<set_id>")
def delete(set_id: str) -> tuple[str, int]:
    """Forget a set: 204. set_not_found."""
    parameters(Parameters)
    delete_set(studio().engine, set_id)
    return "", 204


def _label(part: FileStorage, predict: Any) -> SetImage:
    name = filename_of(part)
    try:
        prediction = predict(part.read())
    except FashionStudioError as error:
        if error.status >= 500:  # the server's fault, not the photo's
            raise
        return SetImage(name, error=error.detail)
    return SetImage(name, label=prediction.label, confidence=prediction.confidence)


def _body(set_id: UUID | str, k: int | None) -> dict[str, Any]:
    stored = get_set(studio().engine, set_id)
    return {
        "id": str(stored.id),
        "images": [image.as_dict() for image in stored.images],
        "top": [count.as_dict() for count in top_of_set(studio().engine, stored.id, k)],
        "model": stored.model,
        "created_at": stored.created_at.isoformat(),
    }
