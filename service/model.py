"""A model as a process has it: what the catalog knows of it, its bundle, and the network once loaded."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

from service.decode import Limits, decode, fit
from service.domain import Image, Prediction
from service.encoder import Card, Encoder, load_encoder
from service.errors import BundleInvalid
from service.settings import Settings
from service.stages import stage
from service.turns import processor


class Model:
    """Whoever decodes, predicts and searches for one answer does it all with one of these.

    labels: every category that garments may have: the network's own in its order, then those that
    garments bear because someone gave them. threads: of the processor, for the network; None: all.
    Sent to another process it is loaded anew there.
    """

    def __init__(
        self,
        settings: Settings,
        model_id: int,
        folder: Path,
        card: Card,
        labels: tuple[str, ...],
        *,
        threads: int | None = None,
    ) -> None:
        self.id = model_id
        self.folder = folder
        self.card = card
        self.labels = labels
        self.limits = Limits.of(settings)
        self._settings = settings
        self._threads = threads
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()

    @property
    def loaded(self) -> bool:
        return self._encoder is not None

    @property
    def encoder(self) -> Encoder:
        """The network, loaded and warmed up by the first caller; others wait for it.

        Raises `BundleInvalid`, also where the folder has another network since this model was made.
        """
        with self._loading:
            if self._encoder is None:
                loaded = load_encoder(self._settings, self.folder, threads=self._threads)
                if loaded.card.content_sha256 != self.card.content_sha256:
                    raise BundleInvalid(
                        f"{self.folder} holds another bundle by now than {self.card.title}, with which this "
                        "process began. Put that one back, or let the new one take over by `models use`, and "
                        "restart."
                    )
                self._encoder = loaded
            return self._encoder

    def __reduce__(self) -> tuple[Any, ...]:
        made = partial(type(self), threads=self._threads)
        return made, (self._settings, self.id, self.folder, self.card, self.labels)

    def decode(self, data: bytes) -> Image:
        """Decode as large as the network needs. Raises as `service.decode.decode`."""
        with stage("decode"):
            return decode(data, self.limits, side=self.card.input_size)

    def predict(self, image: Image) -> Prediction:
        """Of an image that this model decoded. Thread-safe: photos take turns with those being decoded."""
        encoder = self.encoder  # which may be loaded first, and that takes no turn
        with stage("model"), processor:
            return encoder.predict(fit(image.pixels, self.card.input_size))
