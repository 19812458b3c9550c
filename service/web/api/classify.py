"""What is this."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from service.errors import ImageMissing, ImageTooLarge, ImageTypeUnsupported, ImageUndecodable
from service.schemas import Classification
from service.web.context import context
from service.web.openapi import operation
from service.web.uploads import ImageForm

routes = Blueprint("classify", __name__)


@routes.post("/classify")
@operation(
    Classification,
    scope="read",
    refuses=(ImageMissing, ImageTooLarge, ImageTypeUnsupported, ImageUndecodable),
)
def classify(form: ImageForm) -> dict[str, Any]:
    """What a photo shows: every category with its probability."""
    return context().predict(form.image.read()).as_dict()
