"""Small pictures and broken files for tests."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

TEE = (
    (0.38, 0.20), (0.45, 0.24), (0.55, 0.24), (0.62, 0.20), (0.76, 0.26), (0.92, 0.45), (0.80, 0.53),
    (0.70, 0.44), (0.71, 0.85), (0.29, 0.85), (0.30, 0.44), (0.20, 0.53), (0.08, 0.45), (0.24, 0.26),
)  # fmt: skip


def picture(width: int = 60, height: int = 80, seed: int = 0) -> Pillow.Image:
    """A tee of some colour, which the shipped network recognises, before a wall that no turn leaves as
    it was."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    wall = np.stack([200 + x * 40 // width, 205 + y * 40 // height, np.full_like(x, 225)], axis=2)
    colour = tuple(int(value) for value in rng.integers(30, 200, 3))
    dark = tuple(value // 2 for value in colour)

    def at(*points: tuple[float, float]) -> list[tuple[int, int]]:
        return [(int(across * 4 * width), int(down * 4 * height)) for across, down in points]

    large = Pillow.fromarray(wall.astype(np.uint8)).resize((4 * width, 4 * height))
    draw = ImageDraw.Draw(large)
    draw.polygon(at(*TEE), fill=colour, outline=dark)
    draw.line(at((0.30, 0.44), (0.28, 0.33)), fill=dark, width=3)
    draw.line(at((0.70, 0.44), (0.72, 0.33)), fill=dark, width=3)
    draw.arc(at((0.42, 0.15), (0.58, 0.27)), 10, 170, fill=dark, width=6)
    return large.resize((width, height), Pillow.Resampling.LANCZOS)


def encoded(image: Pillow.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels: a decompression bomb's header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
