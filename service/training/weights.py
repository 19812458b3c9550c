"""Where a run's first weights come from: chance, ImageNet, a bundle or a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from service.encoder import place_of
from service.encoder.bundle import read_card, read_weights
from service.encoder.keras import collect_weights, import_keras
from service.errors import TrainingImpossible
from service.training.backbones import LITE, application
from service.training.lite import lite_weights
from service.training.network import LOGITS

IMAGENET, NOTHING = "imagenet", "none"


def initial_weights(
    origin: str, backbone: str, labels: Sequence[str]
) -> tuple[dict[str, np.ndarray], str | None]:
    """Weights by Keras path, and what the card calls them (None where chance decides).

    origin: `none`, `imagenet`, `shipped`, a bundle's folder or a `.safetensors` file of weights by Keras
    path.
    A bundle's last layer is left out where its labels are not `labels`.
    Raises `BundleInvalid`, `TrainingImpossible`.
    """
    if origin == NOTHING:
        return {}, None
    if origin == IMAGENET:
        return imagenet_weights(backbone), f"ImageNet's weights for {backbone}"
    path = place_of(origin)
    if path.suffix == ".safetensors":
        try:
            return load_file(path), path.name
        except (OSError, SafetensorError) as error:
            raise TrainingImpossible(f"The weights in {path} cannot be read: {error}.") from None
    card, weights = read_card(path), read_weights(path)
    if card.labels != tuple(labels):
        weights = {name: w for name, w in weights.items() if not name.startswith(f"{LOGITS}/")}
    return weights, card.title


def imagenet_weights(backbone: str) -> dict[str, np.ndarray]:
    """ImageNet's weights by Keras path; Keras downloads those of its own networks.

    Raises `TrainingImpossible` where there is no internet.
    """
    if backbone in LITE:
        return lite_weights(backbone)
    keras = import_keras("tensorflow")
    keras.utils.clear_session()  # layers without a name of their own are numbered from here
    try:
        with redirect_stdout(sys.stderr):  # where Keras says that it downloads
            network = application(keras, backbone)(weights="imagenet", include_top=False)
    except Exception as error:  # Keras wraps whatever urllib raises
        raise TrainingImpossible(
            f"ImageNet's weights for {backbone} cannot be downloaded ({_first_line(error)}). Without "
            f"internet use --backbone {next(iter(LITE))}, whose weights come as a package, or --weights "
            "BUNDLE."
        ) from None
    weights = collect_weights(network)
    if backbone == "resnet50":  # trained on BGR pictures; ours are RGB
        weights["conv1_conv/kernel"] = weights["conv1_conv/kernel"][:, :, ::-1]
    return weights


def start_from(network: Any, initial: dict[str, np.ndarray]) -> None:
    """Set the weights that fit; those of another shape or without a value are left to chance.

    Raises `TrainingImpossible` where fewer than half of them fit.
    """
    placed = 0
    for variable in network.weights:
        value = initial.get(variable.path)
        if value is not None and tuple(value.shape) == tuple(variable.shape):
            variable.assign(value.astype(np.float32))
            placed += 1
    if placed < len(network.weights) // 2:
        raise TrainingImpossible("The initial weights are of another network; see --backbone.")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
