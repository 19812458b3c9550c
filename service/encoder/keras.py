"""Keras, imported late: a network from a bundle, a bundle from a network, and the TensorFlow runtime."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from service.domain import Prediction
from service.encoder.bundle import NETWORK, Card, read_calibrated, read_card, read_weights
from service.encoder.prediction import predictions
from service.errors import BundleInvalid, ExtraMissing


def require_backend(backend: str) -> None:
    """Choose Keras's backend for this process, unless KERAS_BACKEND names another one; nothing is
    imported yet, which takes seconds.

    Raises `ExtraMissing` where it is not installed.
    """
    backend = os.environ.setdefault("KERAS_BACKEND", backend)
    if importlib.util.find_spec(backend) is None:
        if backend == "tensorflow":
            raise ExtraMissing()
        raise ExtraMissing(f"KERAS_BACKEND={backend} is set, but {backend} is not installed.")


def import_keras(backend: str) -> Any:
    """Keras on `require_backend`, without reading ~/.keras. Raises `ExtraMissing` as that does."""
    require_backend(backend)
    os.environ.setdefault("KERAS_HOME", os.devnull)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    return keras


def read_network(folder: Path, keras: Any) -> Any:
    """The bundle's `keras.Model`: (n, side, side, 3) -> [(n, features), (n, labels)] float32."""
    try:
        model = keras.models.model_from_json((folder / NETWORK).read_text(encoding="utf-8"))
    except Exception as error:
        raise BundleInvalid(
            f"{folder / NETWORK} is no network that Keras reads: {error}."
        ) from None
    assign_weights(model, read_weights(folder))
    return model


def assign_weights(model: Any, weights: dict[str, np.ndarray]) -> None:
    """Set every weight by its path. Raises `BundleInvalid` where one is missing, left over or misshapen."""
    for variable in model.weights:
        value = weights.pop(variable.path, None)
        if value is None or tuple(value.shape) != tuple(variable.shape):
            raise BundleInvalid(f"The bundle's weights do not fit its network at {variable.path}.")
        variable.assign(value.astype(np.float32))
    if weights:
        raise BundleInvalid(f"The bundle has a weight without a place: {min(weights)}.")


def collect_weights(model: Any) -> dict[str, np.ndarray]:
    """Every weight by its path, as numpy arrays."""
    return {v.path: np.asarray(v.numpy(), np.float32) for v in model.weights}


class TensorFlowEncoder:
    """Runs a bundle with TensorFlow: slower to start than OpenVINO, the same answers."""

    requests = 1  # TensorFlow spreads one forward pass over every core by itself

    def __init__(self, folder: Path) -> None:
        self.card: Card
        self.card, self._detector = read_calibrated(folder)
        keras = import_keras("tensorflow")
        if keras.backend.backend() != "tensorflow":
            raise ExtraMissing(
                f"Keras already runs on {keras.backend.backend()}; unset KERAS_BACKEND "
                "to run the model with TensorFlow."
            )
        import tensorflow as tf

        network = read_network(folder, keras)
        if read_card(folder).content_sha256 != self.card.content_sha256:
            raise BundleInvalid(f"{folder} was replaced while it was read. Try again.")
        side = self.card.input_size
        self._call = tf.function(
            lambda batch: network(tf.cast(batch, tf.float32), training=False),
            input_signature=[tf.TensorSpec((None, side, side, 3), tf.uint8)],
        )
        self.predict(np.zeros((side, side, 3), np.uint8))

    @property
    def description(self) -> str:
        return "tensorflow float32"

    def predict(self, pixels: np.ndarray) -> Prediction:
        """pixels: (side, side, 3) uint8. Thread-safe."""
        return predictions(*self.forward(pixels), self.card, self._detector)[0]

    def forward(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Encoder.forward`."""
        features, logits = self._call(pixels[None])
        return features.numpy(), logits.numpy()
