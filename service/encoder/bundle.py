"""The model bundle: a folder that holds a network once, and a card that tells what it is.

    card.json             name, version, labels in order, sizes, preprocessing, hashes, metrics, training
    network.json          Keras's description of the layers: (side, side, 3) -> features, logits
    weights.safetensors   every weight by its Keras path, float16
    reject-….safetensors  once it was calibrated: what tells a garment from other pictures

Serving converts the two files to OpenVINO (`convert`); training reads and writes them (`keras`).
safetensors holds plain arrays, so opening a bundle of unknown origin runs none of its code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from service.encoder.calibration import Calibration, Detector, Reject, read_detector
from service.errors import BundleInvalid, InvalidParameter

FORMAT = 1
CARD, NETWORK, WEIGHTS = "card.json", "network.json", "weights.safetensors"
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
    path = folder / CARD
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BundleInvalid(
            f"{folder} is no model bundle: it has no readable {CARD}. "
            "Name the folder of one, such as FASHION_STUDIO_MODEL or `train --out` had."
        ) from None
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
            found = _sha256(folder / name)
        except OSError:
            raise BundleInvalid(f"{folder} lacks {name}.") from None
        if found != card.files.get(name):
            raise BundleInvalid(f"{folder / name} was altered: its hash is not the card's.")
    if content_sha256(card.model_dump(mode="json")) != card.content_sha256:
        raise BundleInvalid(f"{path} was altered: its content hash does not fit what it says.")
    read_detector(folder, card.calibration)
    return card


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Every weight by its Keras path, float16. Raises `BundleInvalid`."""
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BundleInvalid(f"{folder / WEIGHTS} cannot be read: {error}.") from None


def require_place(folder: Path) -> None:
    """Whether a bundle can be written to `folder`: it is not there yet, empty, or a bundle to replace.

    Raises `InvalidParameter`.
    """
    try:
        holds_others = folder.exists() and not (folder / CARD).is_file() and any(folder.iterdir())
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    except OSError as error:
        raise InvalidParameter(f"{folder} cannot hold a bundle: {error.strerror}.") from None
    if holds_others:
        raise InvalidParameter(
            f"{folder} holds other files, which a bundle would replace. Name a folder that is not there."
        )
    if not os.access(there if there != folder else folder.absolute().parent, os.W_OK):
        raise InvalidParameter(f"{folder} cannot hold a bundle: {there} cannot be written.")


def write_bundle(
    folder: Path,
    *,
    network: str,
    weights: dict[str, np.ndarray],
    **facts: Any,
) -> Card:
    """Write a bundle whole or not at all, replacing the one at `folder`. Raises as `require_place`.

    network: Keras's JSON. weights: by Keras path, any float dtype; stored as float16.
    facts: the card's other fields (name, version, labels, input_size, feature_size, metrics, …).
    """
    require_place(folder)
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (draft / NETWORK).write_text(network, encoding="utf-8")
        save_file({path: w.astype(np.float16) for path, w in weights.items()}, draft / WEIGHTS)
        facts["files"] = {name: _sha256(draft / name) for name in (NETWORK, WEIGHTS)}
        facts.setdefault("created_at", datetime.now(UTC).replace(microsecond=0))
        document = Card(content_sha256="", **facts).model_dump(mode="json")
        document["content_sha256"] = content_sha256(document)
        (draft / CARD).write_text(_text(document), encoding="utf-8")
        draft.chmod(0o755)
        (draft / WEIGHTS).chmod(0o644)  # safetensors writes for the owner alone
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Card.model_validate(document)


def write_calibration(
    folder: Path, *, temperature: float, detector: Detector, measured: dict[str, Any]
) -> Card:
    """Calibrate the bundle at `folder` anew: nothing but the card and the detector's file changes.

    Raises `BundleInvalid`, also where the folder cannot be written; then the bundle is as it was.
    """
    card = read_card(folder)
    data = detector.to_bytes()
    digest = hashlib.sha256(data).hexdigest()
    reject = Reject(
        threshold=detector.threshold, file=f"reject-{digest[:12]}.safetensors", sha256=digest
    )
    calibration = Calibration(temperature=temperature, reject=reject, measured=measured)
    document = json.loads((folder / CARD).read_text(encoding="utf-8"))
    document["calibration"] = calibration.model_dump(mode="json")
    try:
        _replace(folder / reject.file, data)
        _replace(folder / CARD, _text(document).encode())
        for other in folder.glob("reject-*.safetensors"):
            if other.name != reject.file:
                other.unlink()
    except OSError as error:
        raise BundleInvalid(f"{folder} cannot be written: {error.strerror}.") from None
    return card.model_copy(update={"calibration": calibration})


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(data)
    draft.replace(path)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def content_sha256(card: dict[str, Any]) -> str:
    """Hash of the card's fields that decide an answer, network and weights included by their hashes."""
    decisive = ("labels", "input_size", "feature_size", "preprocessing", "temperature", "files")
    canonical = json.dumps({name: card[name] for name in decisive}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
