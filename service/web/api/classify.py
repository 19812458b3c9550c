"""What is this."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from service.web.context import context
from service.web.parameters import Parameters, parameters
from service.web.uploads import uploaded_image

routes = Blueprint("classify", __name__)


@routes.post("/classify")
def classify() -> dict[str, Any]:
    """Label and confidence of the multipart `image`: `{"label", "confidence", "labels"}`.

    image_missing, image_undecodable, image_type_unsupported, image_too_large.
    """
    parameters(Parameters)
    return context().predict(uploaded_image()).as_dict()
