"""The network: a backbone, global average pooling, three dense layers (the seed project's design)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from service.training.backbones import LITE, WIDEN, pooled
from service.training.lite import NEW, weighed

FEATURES, LOGITS = "features", "logits"
HEAD = ("head_1", "head_1_dropout", "head_2", "head_2_dropout", LOGITS)


def build(keras: Any, backbone: str, labels: int, *, side: int | None) -> Any:
    """(n, side, side, 3) values 0..255 -> [(n, f) features, (n, labels) logits], both float32.

    side: None leaves the input's size open, for training at several sizes.
    Head 512-128-labels with ReLU and dropout 0.1 as in the seed. It reads what the backbone pools: what
    weighs that of EfficientNet-Lite bears on the cosine alone. Dropout has a seed of its own, because
    Keras on PyTorch otherwise draws from PyTorch's state, which no checkpoint holds.
    """
    layers = keras.layers
    pixels = layers.Input((side, side, 3), name="pixels")
    seen = pooled(keras, backbone, pixels)
    features = layers.Activation("linear", dtype="float32", name=FEATURES)(
        weighed(keras, seen) if backbone in LITE else seen
    )
    hidden = layers.Dense(512, activation="relu", name=HEAD[0])(seen)
    hidden = layers.Dropout(0.1, seed=1, name=HEAD[1])(hidden)
    hidden = layers.Dense(128, activation="relu", name=HEAD[2])(hidden)
    hidden = layers.Dropout(0.1, seed=2, name=HEAD[3])(hidden)
    logits = layers.Dense(labels, dtype="float32", name=LOGITS)(hidden)
    return keras.Model(pixels, [features, logits], name=backbone)


def with_tasks(keras: Any, network: Any, tasks: Mapping[str, int]) -> Any:
    """The network for training: features, logits, and one linear layer on the features per further task.

    The further tasks shape the features (colour, pattern, a finer category) and are dropped afterwards.
    """
    features, logits = network.outputs
    outputs = {FEATURES: features, LOGITS: logits}
    for name, classes in tasks.items():
        outputs[name] = keras.layers.Dense(classes, dtype="float32", name=f"task_{name}")(
            features
        )  # a column may be called as a layer is
    return keras.Model(network.input, outputs)


def freeze(keras: Any, network: Any, share: float, known: Collection[str] = ()) -> None:
    """Leave the first `share` of the backbone's layers as they are, and the statistics of all of its
    batch normalisation: what fine-tuning on few photos should not lose. What brings the stages of
    EfficientNet-Lite to one scale and weighs them, and what brings other features to 2,048, is learnt all
    the same: ImageNet's weights know nothing of it. known: paths of the weights that training starts from;
    a share of 1 leaves all of these as they are, those of the head as well.
    """
    backbone = [
        layer for layer in network.layers if layer.name not in (*NEW, WIDEN, FEATURES, *HEAD)
    ]
    for layer in backbone[: round(share * len(backbone))]:
        layer.trainable = False
    for layer in backbone:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    if share == 1:
        for layer in network.layers:
            if layer.weights and all(weight.path in known for weight in layer.weights):
                layer.trainable = False
