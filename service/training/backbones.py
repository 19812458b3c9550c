"""Backbones: pixels 0..255 to pooled features, whichever way each wants its pixels scaled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.training.lite import BLOCKS as LITE
from service.training.lite import MOMENTUM, pooled_lite

WIDTH = 2048  # values in a catalog's embedding
WIDEN = "widen"  # the layer that makes so many of what a backbone gives


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network of `keras.applications`.

    name: its name there. mean, variance: of what its ImageNet weights expect, by channel in RGB order,
    values 0..255; a variance of 1 leaves the scale. None: the network scales by itself.
    smallest: the smallest side of a picture that it takes, pixels.
    """

    name: str
    mean: tuple[float, float, float] | None = (127.5, 127.5, 127.5)
    variance: tuple[float, float, float] = (127.5**2,) * 3
    smallest: int = 32


BACKBONES = {
    "xception": Backbone("Xception", smallest=71),
    "resnet50": Backbone("ResNet50", (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    "inceptionv3": Backbone("InceptionV3", smallest=75),
    "densenet169": Backbone(
        "DenseNet169", (123.675, 116.28, 103.53), (58.395**2, 57.12**2, 57.375**2)
    ),
    "efficientnetv2b0": Backbone("EfficientNetV2B0", None),
    "efficientnetv2b1": Backbone("EfficientNetV2B1", None),
    "efficientnetv2b2": Backbone("EfficientNetV2B2", None),
    "efficientnetv2b3": Backbone("EfficientNetV2B3", None),
}
NAMES = (*BACKBONES, *LITE)


def smallest_side(name: str) -> int:
    """The smallest side of a picture that the backbone takes, pixels."""
    return BACKBONES[name].smallest if name in BACKBONES else 32


def pooled(keras: Any, name: str, pixels: Any) -> Any:
    """The backbone's features after global average pooling: (n, 2048).

    A backbone of another width (DenseNet169 has 1664, EfficientNetV2 1280 to 1536) gets one linear
    layer to 2048, so that every bundle fits a catalog.
    """
    layers = keras.layers
    if name in LITE:
        return pooled_lite(keras, name, pixels)
    kind = BACKBONES[name]
    if kind.mean is not None:
        pixels = layers.Normalization(mean=kind.mean, variance=kind.variance, name="scale")(pixels)
    backbone = application(keras, name)(
        weights=None, include_top=False, input_tensor=pixels, input_shape=pixels.shape[1:]
    )
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
    features = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    if features.shape[-1] != WIDTH:
        features = layers.Dense(WIDTH, use_bias=False, name=WIDEN)(features)
    return features


def application(keras: Any, name: str) -> Callable[..., Any]:
    """The function of `keras.applications` that builds the backbone."""
    return getattr(keras.applications, BACKBONES[name].name)
