"""The model bundle: a folder that holds a network once, and a card that tells what it is.

    card.json             name, version, labels in order, sizes, preprocessing, hashes, metrics, training
    network.json          Keras's description of the layers: (side, side, 3) -> features, logits
    weights.safetensors   every weight by its Keras path, float16, float32 where that cannot hold it
    reject-….safetensors  once it was calibrated: what tells a garment from other pictures
    learnt.bin            of which photos it learnt, where it says so

Serving converts the two files to OpenVINO (`convert`); training reads (`keras`) and writes (`write`) them.
safetensors holds plain arrays, so opening a bundle of unknown origin runs none of its code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from service.encoder.calibration import Calibration, Detector, read_detector
from service.errors import BundleInvalid

FORMAT = 1
CARD, NETWORK, WEIGHTS = "card.json", "network.json", "weights.safetensors"
REJECT = "reject-*.safetensors"
LEARNT = "learnt.bin"  # see `service.training.learnt`
SHIPPED = Path(__file__).parent.parent / "bundles" / "lite0"


class Preprocessing(BaseModel):
    """How a photo becomes the network's input; see `service.decode.fit`."""

    model_config = ConfigDict(frozen=True)

    resize: Literal["letterbox"] = "letterbox"
    pad: Literal[128] = 128
    channels: Literal["RGB"] = "RGB"
    values: Literal["0..255"] = "0..255"  # scaling to -1..1 is the network's first layer


class Card(BaseModel):
    """What a bundle says of itself.

    input_size: side of the square input, pixels. feature_size: length of the embedding.
    temperature: logits are divided by it before the softmax, unless `calibration` has another.
    content_sha256: hash over network, weights and what they are for; the model's identity in a catalog.
    precision: in which it is best computed; None: the faster one that the CPU has.
    calibration: None: probabilities are the network's own, and nothing is rejected.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=2)
    input_size: int = Field(ge=32, le=1024)
    feature_size: int = Field(ge=1)
    preprocessing: Preprocessing = Preprocessing()
    temperature: float = Field(default=1.0, gt=0)
    precision: Literal["bf16", "f32"] | None = None
    files: dict[str, str]
    content_sha256: str
    created_at: datetime
    metrics: dict[str, Any] = {}
    training: dict[str, Any] = {}
    calibration: Calibration | None = None

    @property
    def title(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def identity(self) -> dict[str, Any]:
        """What a catalog records of a bundle, by `attach` and `register`."""
        recorded = {"name", "version", "content_sha256", "labels", "input_size", "feature_size"}
        return self.model_dump(include=recorded)

    @property
    def softmax_temperature(self) -> float:
        return self.temperature if self.calibration is None else self.calibration.temperature


def read_card(folder: Path) -> Card:
    """Read the card and check every file against it. Raises `BundleInvalid` in one line."""
    return read_calibrated(folder)[0]


def read_calibrated(folder: Path) -> tuple[Card, Detector | None]:
    """As `read_card`, with what tells that a photo shows none of the labels; they are of one calibration."""
    while True:
        card = _read_card(folder)
        try:
            return card, read_detector(folder, card.calibration)
        except BundleInvalid:
            if _read_card(folder) == card:
                raise
            # It was calibrated anew meanwhile: once more


def _read_card(folder: Path) -> Card:
    path = folder / CARD
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BundleInvalid(
            f"{folder} is no model bundle: it has no {CARD}. "
            "Name the folder of one, such as FASHION_STUDIO_MODEL or `train --out` had."
        ) from None
    except OSError as error:
        raise BundleInvalid(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise BundleInvalid(f"{path} is not JSON: {error}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise BundleInvalid(f"{path} is not the card of a model bundle.")
    if document["format"] > FORMAT:
        raise BundleInvalid(
            f"{folder} has bundle format {document['format']}; this version reads up to {FORMAT}. "
            "Upgrade fashion-studio."
        )
    try:
        card = Card.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleInvalid(f"{path}: {where}: {first['msg']}.") from None
    if len(set(card.labels)) != len(card.labels):
        raise BundleInvalid(f"{path}: a label stands twice.")
    for name in (NETWORK, WEIGHTS):
        try:
            found = file_sha256(folder / name)
        except FileNotFoundError:
            raise BundleInvalid(f"{folder} lacks {name}.") from None
        except OSError as error:
            raise BundleInvalid(f"{folder / name} cannot be read: {error.strerror}.") from None
        if found != card.files.get(name):
            raise BundleInvalid(f"{folder / name} was altered: its hash is not the card's.")
    if content_sha256(card.model_dump(mode="json")) != card.content_sha256:
        raise BundleInvalid(f"{path} was altered: its content hash does not fit what it says.")
    return card


def is_own(name: str) -> bool:
    """Whether a file of that name is part of a bundle."""
    return name in (CARD, NETWORK, WEIGHTS, LEARNT) or fnmatch(name, REJECT)


def copy_bundle(bundle: Path, folder: Path) -> None:
    """Its own files' bytes alone: a disk may know neither modes nor times. Raises `OSError`."""
    for file in bundle.iterdir():
        if is_own(file.name):
            shutil.copyfile(file, folder / file.name)
            with (folder / file.name).open("rb") as copied:
                os.fsync(copied.fileno())  # before it has its place: power may fail


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Every weight by its Keras path, float16 or float32. Raises `BundleInvalid`."""
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BundleInvalid(f"{folder / WEIGHTS} cannot be read: {error}.") from None


def content_sha256(card: dict[str, Any]) -> str:
    """Hash of the card's fields that decide an answer, network and weights included by their hashes."""
    decisive = ("labels", "input_size", "feature_size", "preprocessing", "temperature", "files")
    canonical = json.dumps({name: card[name] for name in decisive}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
