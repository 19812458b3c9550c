"""What the requests of one process share: its studio, and threads for the photos of a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import numpy as np
from flask import current_app

from service.domain import Image, Prediction
from service.model import Model
from service.processors import processors
from service.studio import Studio
from service.web import metrics
from service.web.access import Access
from service.web.admission import Admission, require_time
from service.web.pictures import Thumbnails
from service.web.rates import Rates

EXTENSION = "fashion-studio"
Item = TypeVar("Item")
Result = TypeVar("Result")


class Context:
    """Made once a process, after the fork. inferred: the network has answered at least once.

    published: whoever started it said where others reach it, see `service.web.server.serve`.
    """

    def __init__(self, studio: Studio, published: bool = False) -> None:
        self.studio = studio
        self.published = published
        self.inferred = False
        self.missing = ""  # what the probe logged last
        settings = studio.settings
        self.admission = Admission(settings.max_in_flight, settings.request_seconds)
        self.numbers = metrics.Catalog(studio.engine)
        self.thumbnails = Thumbnails()
        self.rates = Rates(settings.rate_limit)
        self.access = Access(lambda: studio.engine, settings.access)
        # One pool for all requests, so that many sets at once decode no more photos side by side
        # than there are cores. Its threads start with the first set.
        self._pool = ThreadPoolExecutor(processors(), "set")

    def warm_up(self) -> None:
        """Load the network and infer once. Raises `BundleInvalid`, `ExtraMissing`."""
        model = self.studio.model
        side = model.card.input_size
        self._infer(model, Image(np.zeros((side, side, 3), np.uint8), sha256=""))

    def predict(self, data: bytes, model: Model | None = None) -> Prediction:
        """Decode and infer in the calling thread, by default with the model that answers now.

        Raises what `service.decode.decode` raises, and `TimeLimit`.
        """
        require_time()
        model = model if model is not None else self.studio.model
        return self._infer(model, model.decode(data))

    def side_by_side(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """`function` of every item, in their order; what is counted or limited stays the request's."""
        calls = [(copy_context(), item) for item in items]
        return list(self._pool.map(lambda call: call[0].run(function, call[1]), calls))

    def _infer(self, model: Model, image: Image) -> Prediction:
        prediction = model.predict(image)
        self.inferred = True
        return prediction


def context() -> Context:
    """The context of the application that answers the current request."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, Context)
    return found


def studio() -> Studio:
    return context().studio
