"""What is measured after training: how sure a probability is, and which pictures show none of the labels.

Both stand in the card's `calibration` and change no embedding, so a catalog outlives a new calibration.
The detector's numbers lie beside the card, in a file named by its hash: card and detector always fit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.numpy import load, save

from service.errors import BundleInvalid


class Reject(BaseModel):
    """A picture whose score is below `threshold` shows none of the labels; see `Detector`."""

    model_config = ConfigDict(frozen=True)

    threshold: float = Field(allow_inf_nan=False)
    file: str = Field(pattern=r"^reject-[0-9a-f]{12}\.safetensors$")
    sha256: str


class Calibration(BaseModel):
    """temperature: logits are divided by it before the softmax. measured: how, on what, and how well."""

    model_config = ConfigDict(frozen=True)

    temperature: float = Field(gt=0, allow_inf_nan=False)
    reject: Reject
    measured: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Detector:
    """Scores how much an embedding is like one of the labels.

    weights: (labels, features) float32. bias: (labels,) float32. The score of an embedding x is the
    largest of weights·x/|x| + bias; below `threshold` the picture shows none of the labels.
    """

    weights: np.ndarray
    bias: np.ndarray
    threshold: float = -np.inf

    def scores(self, features: np.ndarray) -> np.ndarray:
        """features: (n, features). Returns (n,) float32."""
        return (unit(features) @ self.weights.T + self.bias).max(axis=1)

    def recognises(self, features: np.ndarray) -> np.ndarray:
        """(n,) bool."""
        return self.scores(features) >= self.threshold

    def to_bytes(self) -> bytes:
        """As it lies in the bundle: float16 weights."""
        return save({"weights": self.weights.astype(np.float16), "bias": self.bias})


def unit(features: np.ndarray) -> np.ndarray:
    """(n, features) scaled to length 1, float32; an embedding of zeros stays one."""
    values = features.astype(np.float32)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def read_detector(folder: Path, calibration: Calibration | None) -> Detector | None:
    """None where the bundle was never calibrated. Raises `BundleInvalid`."""
    if calibration is None:
        return None
    reject = calibration.reject
    try:
        data = (folder / reject.file).read_bytes()
    except FileNotFoundError:
        raise BundleInvalid(f"{folder} lacks {reject.file}.") from None
    except OSError as error:
        raise BundleInvalid(f"{folder / reject.file} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(data).hexdigest() != reject.sha256:
        raise BundleInvalid(f"{folder / reject.file} was altered: its hash is not the card's.")
    try:
        arrays = load(data)
        weights, bias = arrays["weights"].astype(np.float32), arrays["bias"].astype(np.float32)
    except (SafetensorError, KeyError) as error:
        raise BundleInvalid(f"{folder / reject.file} cannot be read: {error}.") from None
    return Detector(weights, bias, reject.threshold)
