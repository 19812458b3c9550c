"""The seed project's model, a Keras 2 SavedModel, as a bundle.

It is Xception without its top, average-pooled to 2048 features, and dense layers of 512, 128 and one
unit for each label, at 224 pixels with values of 0 to 1. Its labels were sorted as text before they
became positions: "10" stands before "2". The bundle has them in the order of the label map, so that
numbers in the seed's tables mean the same.
"""

from __future__ import annotations

import importlib.util
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.encoder.bundle import Card
from service.encoder.keras import collect_weights, import_keras
from service.encoder.write import require_place, require_title, write_bundle
from service.errors import BundleInvalid, ExtraMissing, InvalidParameter
from service.training.network import build

SIDE = 224
TRIAL = 4  # random pictures on which both networks must agree
FIRST = "block1_conv1"  # without padding, so that every value of it sees as many pixels
NEAR = 0.02  # of the largest feature, and in probability: what float16 weights may change


def sorted_as_text(count: int) -> list[int]:
    """Which label each output of the seed's model is: Keras 2 sorted the numbers as text."""
    return sorted(range(count), key=str)


def adopt(
    saved_model: Path,
    out: Path,
    *,
    labels: Sequence[str],
    outputs: Sequence[int],
    name: str,
    version: str,
) -> Card:
    """Write the bundle of a SavedModel folder, after both have said the same of random pictures.

    labels: by their number. outputs: the number of the label that each output of the model is.

    Loading a SavedModel runs what is in it: only import what you trust. Raises `ExtraMissing`,
    `BundleInvalid` where it is another architecture, and `InvalidParameter` where labels, outputs and
    the model's units are not as many, or not each one once.
    """
    if sorted(outputs) != list(range(len(labels))):
        raise InvalidParameter(
            f"The permutation must name each of the {len(labels)} labels once, by its number from 0."
        )
    require_place(out)
    require_title(name, version)
    original = _load(saved_model)
    keras = import_keras("tensorflow")
    network = build(keras, "xception", len(labels), side=SIDE)
    _carry_over(original, network, outputs)
    _require_agreement(original, network, outputs)
    return write_bundle(
        out,
        network=network.to_json(),
        weights=collect_weights(network),
        name=name,
        version=version,
        labels=tuple(labels),
        input_size=SIDE,
        feature_size=2048,
        precision="f32",  # as the original computed
        training={"imported_from": str(saved_model), "outputs": list(outputs)},
    )


def _load(folder: Path) -> Any:
    if importlib.util.find_spec("tf_keras") is None:
        raise ExtraMissing(
            "This needs tf_keras, which reads models of Keras 2. Install it with: "
            "pip install 'fashion-studio[seed]'."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tf_keras

    try:
        model = tf_keras.models.load_model(folder, compile=False)
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise BundleInvalid(f"{folder} is no SavedModel of Keras 2: {said[0]}.") from None
    if not hasattr(model, "layers"):
        raise BundleInvalid(
            f"{folder} was not saved by Keras 2, and does not say of which layers it is. Save it there with "
            "model.save."
        )
    try:
        side = model.input_shape[1]
    except (AttributeError, RuntimeError, LookupError, TypeError):
        raise BundleInvalid(
            f"{folder} is not the seed's model: it does not take one picture and nothing else."
        ) from None
    if side not in (None, SIDE):
        raise BundleInvalid(
            f"{folder} takes pictures of {side} pixels; the seed's model takes {SIDE}."
        )
    return model


def _carry_over(original: Any, network: Any, outputs: Sequence[int]) -> None:
    """Layer by layer. Those of the backbone have names, but for the shortcuts and their
    normalisations, which come in the same order; the dense ones are the last three."""
    theirs, ours = _by_place(original), _by_place(network)
    if theirs.keys() != ours.keys():
        odd = sorted(map(str, theirs.keys() ^ ours.keys()))[0]
        raise BundleInvalid(
            "The SavedModel is not the seed's: Xception with average pooling and dense layers of 512, "
            f"128 and one unit a label. They differ at {odd}."
        )
    for place, layer in ours.items():
        values = [np.asarray(value) for value in theirs[place].get_weights()]
        # The seed's pixels are from 0 to 1, ours from -1 to 1, in training too: (x + 1) / 2 of ours
        if place == FIRST and len(values) == 1:
            values = [values[0] / 2]
            brighter = values[0].sum(axis=(0, 1, 2))
        elif place == f"{FIRST}_bn" and len(values) == 4:
            gamma, beta, mean, variance = values
            values = [gamma, beta, mean - brighter, variance]
        if [v.shape for v in values] != [tuple(w.shape) for w in layer.weights]:
            raise BundleInvalid(
                f"The SavedModel's {place} has weights of {[v.shape for v in values]}, not of "
                f"{[tuple(w.shape) for w in layer.weights]}."
            )
        if layer.name == "logits":
            values = [value[..., np.argsort(outputs)] for value in values]
        layer.set_weights(values)


def _by_place(model: Any) -> dict[Any, Any]:
    """Every layer with weights by its name where Xception gives it one, else by kind and number."""
    found: dict[Any, Any] = {}
    counts: dict[str, int] = defaultdict(int)
    for layer in _flat(model):
        if layer.name.startswith("block"):
            found[layer.name] = layer
        else:
            kind = type(layer).__name__
            found[f"{kind} {counts[kind]}"] = layer
            counts[kind] += 1
    return found


def _flat(model: Any) -> list[Any]:
    layers = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            layers += _flat(layer)
        elif layer.weights:
            layers.append(layer)
    return layers


def _require_agreement(original: Any, network: Any, outputs: Sequence[int]) -> None:
    """Labels of both on random pictures. What differs is a layer that has no weights."""
    pictures = np.random.default_rng(0).integers(0, 256, (TRIAL, SIDE, SIDE, 3)).astype(np.float32)
    _, logits = network.predict_on_batch(pictures)
    said = np.asarray(original(pictures / 255, training=False))
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    wanted = np.empty_like(said)
    wanted[:, list(outputs)] = said
    if wanted.shape != probabilities.shape or np.abs(wanted - probabilities).max() > NEAR:
        raise BundleInvalid(
            "The SavedModel answers otherwise than its weights do in the seed's architecture: it has "
            "other activations or another scaling."
        )
