"""Random views of a photo: what another hand, lamp and camera would have made of the same garment."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image as Pillow

from service.decode import PAD


def augmented(pixels: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A turned, zoomed, shifted, mirrored and re-lit view.

    pixels: (s, s, 3) uint8. Returns (side, side, 3) uint8.
    """
    view = _relit(_moved(Pillow.fromarray(pixels), side, rng), rng)
    values = np.array(view)
    if rng.random() < 0.25:
        _erase(values, rng)
    return values


def _moved(picture: Pillow.Image, side: int, rng: np.random.Generator) -> Pillow.Image:
    """One affine step: turned, one in a hundred by more than 20°; 0.72–1.1 of the frame, shifted; up to 1.27
    times as wide for its height, or as high for its width; every other one a mirror image."""
    angle = math.radians(float(rng.normal(0, 8)) if rng.random() < 0.85 else rng.uniform(-20, 20))
    window = picture.width * math.sqrt(rng.uniform(0.52, 1.21))
    aspect = math.exp(rng.uniform(-0.12, 0.12))
    mirror = -1 if rng.random() < 0.5 else 1
    slack = max(0.0, picture.width - window) / 2 + 0.06 * picture.width
    x0 = picture.width / 2 + rng.uniform(-slack, slack)
    y0 = picture.height / 2 + rng.uniform(-slack, slack)
    sx, sy = mirror * window / side * aspect, window / side / aspect
    a, b = math.cos(angle) * sx, -math.sin(angle) * sy
    d, e = math.sin(angle) * sx, math.cos(angle) * sy
    half = side / 2
    matrix = (a, b, x0 - (a + b) * half, d, e, y0 - (d + e) * half)
    return picture.transform(
        (side, side), Pillow.Transform.AFFINE, matrix, Pillow.Resampling.BILINEAR,
        fillcolor=(PAD, PAD, PAD),
    )  # fmt: skip


def _relit(picture: Pillow.Image, rng: np.random.Generator) -> Pillow.Image:
    """Exposure, colour temperature, contrast and saturation, each by a modest amount, as one matrix: steps
    over all pixels took two thirds of a view's time."""
    gain = np.exp(rng.normal(0, 0.18) + rng.normal(0, 0.05, 3))
    contrast, saturation = rng.uniform(0.75, 1.3), rng.uniform(0.7, 1.3)
    mean = (gain * picture.resize((1, 1), Pillow.Resampling.BOX).getpixel((0, 0))).mean()
    mixed = saturation * np.eye(3) + (1 - saturation) / 3  # rows: each channel, and grey
    matrix = np.column_stack([mixed * gain * contrast, np.full(3, (1 - contrast) * mean)])
    return picture.convert("RGB", tuple(matrix.ravel().tolist()))


def _erase(values: np.ndarray, rng: np.random.Generator) -> None:
    """Cover a rectangle of 3 to 15 % with noise, so that no single detail decides (Zhong et al. 2017)."""
    side = values.shape[0]
    area, ratio = rng.uniform(0.03, 0.15) * side * side, math.exp(rng.uniform(-0.7, 0.7))
    height, width = int(math.sqrt(area * ratio)), int(math.sqrt(area / ratio))
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    values[top : top + height, left : left + width] = rng.integers(
        0, 256, (height, width, 3), np.uint8
    )
