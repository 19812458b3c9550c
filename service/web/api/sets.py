"""What is in these photos: sets are stored, and their top categories counted in SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from flask import Blueprint, url_for
from werkzeug.datastructures import FileStorage

from service import catalog
from service.catalog import SetImage, extend_set, get_set, store_set, top_of_set
from service.decode import Limits, check_bytes
from service.errors import (
    FashionStudioError,
    ImageMissing,
    ImageTooLarge,
    InvalidParameter,
    ModelMoved,
    SetChanged,
    SetNotFound,
)
from service.schemas import PhotoSet
from service.studio import Model
from service.web.context import context, studio
from service.web.openapi import operation
from service.web.parameters import MoreParameters, SetParameters
from service.web.uploads import SetForm, filename_of, size_of

routes = Blueprint("sets", __name__, url_prefix="/sets")

Stored = TypeVar("Stored")


@routes.post("")
@operation(
    PhotoSet,
    201,
    scope="write",
    refuses=(ImageMissing, ImageTooLarge),
    headers={"Location": "the set's own address"},
)
def add_set(query: SetParameters, form: SetForm) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Label every photo and keep the set.

    A photo that cannot be read is answered by its `error`, one in which no garment is recognised by a
    `label` of null; neither counts in `top`. The others are labelled all the same.
    """
    set_id = _kept(form, lambda model, images: store_set(studio().engine, model.id, images))
    place = url_for("api.sets.read_set", set_id=set_id)
    return _body(set_id, query.k), 201, {"Location": place}


@routes.post("/<set_id>/images")
@operation(PhotoSet, scope="write", refuses=(SetNotFound, SetChanged, ImageMissing, ImageTooLarge))
def add_images(set_id: str, query: MoreParameters, form: SetForm) -> dict[str, Any]:
    """Label more photos and add them to a set, behind those that it has.

    So a large set is sent in parts, each answered in good time; one whose answer was lost is sent again
    with the same `after`. The set keeps to its largest number of photos; a set that another model labelled
    is not added to.
    """
    get_set(studio().engine, set_id)  # before the network works for nothing
    most, after = studio().settings.max_set_images, query.after
    _kept(
        form,
        lambda model, images: extend_set(studio().engine, set_id, model.id, images, most, after),
    )
    return _body(set_id, query.k)


@routes.get("/<set_id>")
@operation(PhotoSet, scope="read", refuses=(SetNotFound,))
def read_set(set_id: str, query: SetParameters) -> dict[str, Any]:
    """A stored set."""
    return _body(set_id, query.k)


@routes.delete("/<set_id>")
@operation(status=204, scope="write", refuses=(SetNotFound,), description="forgotten")
def delete_set(set_id: str) -> tuple[str, int]:
    """Forget a set."""
    catalog.delete_set(studio().engine, set_id)
    return "", 204


def _kept(form: SetForm, keep: Callable[[Model, list[SetImage]], Stored]) -> Stored:
    model = studio().model
    try:
        return keep(model, _labelled(form, model))
    except ModelMoved:
        model = studio().successor(model)
        return keep(model, _labelled(form, model))


def _labelled(form: SetForm, model: Model) -> list[SetImage]:
    most = studio().settings.max_set_images
    if len(form.images) > most:
        raise InvalidParameter(
            f"images: {len(form.images)} are too many; at most {most} make a set."
        )
    here = context()  # the pool's threads know of no request
    return here.side_by_side(
        lambda part: _label(part, model.limits, lambda data: here.predict(data, model)), form.images
    )


def _label(part: FileStorage, limits: Limits, predict: Any) -> SetImage:
    name = filename_of(part)
    try:
        check_bytes(size_of(part), limits)  # before one part of a large form is held whole
        prediction = predict(part.read())
    except FashionStudioError as error:
        if error.is_ours:
            raise
        return SetImage(name, error=error.detail)
    label = prediction.label if prediction.recognised else None
    return SetImage(name, label=label, confidence=prediction.confidence)


def _body(set_id: UUID | str, k: int | None) -> dict[str, Any]:
    stored = get_set(studio().engine, set_id)
    return {
        "id": str(stored.id),
        "images": [image.as_dict() for image in stored.images],
        "top": [count.as_dict() for count in top_of_set(studio().engine, stored.id, k)],
        "model": stored.model,
        "created_at": stored.created_at.isoformat(),
    }
