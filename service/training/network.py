"""The network: a backbone, global average pooling, three dense layers (the seed project's design)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FEATURES, LOGITS = "features", "logits"


def build(keras: Any, labels: int, *, side: int | None) -> Any:
    """(n, side, side, 3) values 0..255 -> [(n, 2048) features, (n, labels) logits], both float32.

    side: None leaves the input's size open, for training at several sizes.
    Xception as Chollet 2017 gives it; head 512-128-labels with ReLU and dropout 0.1 as in the seed.
    """
    layers = keras.layers
    pixels = layers.Input((side, side, 3), name="pixels")
    scaled = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(pixels)
    backbone = keras.applications.Xception(
        weights=None, include_top=False, input_tensor=scaled, input_shape=(side, side, 3)
    )
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9  # the default, 0.99, lags for epochs behind a short run's weights
    pooled = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    features = layers.Activation("linear", dtype="float32", name=FEATURES)(pooled)
    hidden = layers.Dense(512, activation="relu", name="head_1")(features)
    hidden = layers.Dropout(0.1, name="head_1_dropout")(hidden)
    hidden = layers.Dense(128, activation="relu", name="head_2")(hidden)
    hidden = layers.Dropout(0.1, name="head_2_dropout")(hidden)
    logits = layers.Dense(labels, dtype="float32", name=LOGITS)(hidden)
    return keras.Model(pixels, [features, logits], name="xception")


def with_tasks(keras: Any, network: Any, tasks: Mapping[str, int]) -> Any:
    """The network for training: its logits, and one linear layer on the features per further task.

    The further tasks shape the features (colour, pattern, a finer category) and are dropped afterwards.
    """
    features, logits = network.outputs
    outputs = {LOGITS: logits}
    for name, classes in tasks.items():
        outputs[name] = keras.layers.Dense(classes, dtype="float32", name=name)(features)
    return keras.Model(network.input, outputs)
