"""A fitted picture to a prediction. Which runtime does it is a setting; the answers are the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import numpy as np

from service.domain import Prediction
from service.encoder.bundle import SHIPPED, Card, read_card
from service.encoder.places import (
    find_bundle,
    forget_bundle,
    keep_bundle,
    keep_shipped,
    place_of,
)
from service.settings import Settings

__all__ = [
    "Encoder",
    "load_encoder",
    "bundle_folder",
    "find_bundle",
    "keep_bundle",
    "keep_shipped",
    "forget_bundle",
    "place_of",
    "Card",
    "read_card",
]


# With it OpenVINO and NNCF report each import, and more, to their makers: of that nobody was asked here
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


class Encoder(Protocol):
    """What every runtime offers."""

    card: Card
    requests: int  # forward passes that run side by side

    @property
    def description(self) -> str: ...

    def predict(self, pixels: np.ndarray) -> Prediction:
        """pixels: (side, side, 3) uint8, letterboxed by `service.decode.fit`. Thread-safe."""
        ...

    def forward(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network's own numbers: (1, feature_size) features and (1, labels) logits, float32."""
        ...


def bundle_folder(settings: Settings) -> Path:
    """The bundle in use: the one set, or the one that ships."""
    return settings.model if settings.model is not None else SHIPPED


def load_encoder(
    settings: Settings, folder: Path | None = None, *, threads: int | None = None
) -> Encoder:
    """A bundle, by default the configured one, on the configured runtime, warmed up by a real inference.

    threads: of the processor, for OpenVINO; None: all.
    Raises `BundleInvalid`, also where int8 is wanted and was not made, `ExtraMissing`, `HomeNotWritable`.
    """
    folder = folder if folder is not None else bundle_folder(settings)
    if settings.runtime == "tensorflow":
        from service.encoder.keras import TensorFlowEncoder

        return TensorFlowEncoder(folder)
    from service.encoder.openvino import OpenVinoEncoder

    precision = None if settings.precision == "auto" else settings.precision
    return OpenVinoEncoder(folder, settings.folder("models"), precision=precision, threads=threads)
