"""Pictures that show nothing: a covered lens, plain and shaded surfaces, noise, pages of text.

Nobody collects them, a network that was never shown one is sure of some label, and people send them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

HEIGHT, WIDTH = 300, 225
WORDS = (
    "a the of and to in is it you that he was for on are with as his they be at one have this from or "
    "had by word but what some we can out other were all there when up use your how said each she"
)


def pictures_of_nothing(count: int, seed: int) -> Iterator[np.ndarray]:
    """`count` pictures of four kinds in turn, (height, width, 3) uint8; the same for the same seed."""
    rng = np.random.default_rng(seed)
    kinds = (_plain, _shaded, _noise, _text)
    for number in range(count):
        yield kinds[number % len(kinds)](rng, number // len(kinds))


def _plain(rng: np.random.Generator, number: int) -> np.ndarray:
    grey = np.full(3, rng.integers(0, 256))
    colour = (np.zeros(3), np.full(3, 255.0), grey, rng.integers(0, 256, 3))[number % 4]
    return _grainy(np.broadcast_to(colour, (HEIGHT, WIDTH, 3)), rng)


def _shaded(rng: np.random.Generator, number: int) -> np.ndarray:
    one, other = rng.uniform(0, 255, (2, 3))
    y, x = np.mgrid[-0.5 : 0.5 : HEIGHT * 1j, -0.5 : 0.5 : WIDTH * 1j]
    angle, centre = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5, 2)
    straight = np.cos(angle) * x + np.sin(angle) * y + 0.5
    round_ = np.hypot(y - centre[0], x - centre[1])
    share = np.clip(round_ if number % 3 == 0 else straight, 0, 1)[..., None]
    return _grainy(one + (other - one) * share, rng)


def _noise(rng: np.random.Generator, number: int) -> np.ndarray:
    cells = int(rng.choice([3, 8, 20, 60, WIDTH]))
    values = rng.integers(0, 256, (cells, cells, 3 if number % 2 else 1), np.uint8)
    picture = Pillow.fromarray(np.ascontiguousarray(np.broadcast_to(values, (cells, cells, 3))))
    how = (Pillow.Resampling.NEAREST, Pillow.Resampling.BILINEAR, Pillow.Resampling.BICUBIC)
    return np.asarray(picture.resize((WIDTH, HEIGHT), how[number % 3]))


def _text(rng: np.random.Generator, number: int) -> np.ndarray:
    paper, ink = int(rng.integers(200, 256)), int(rng.integers(0, 90))
    if number % 4 == 0:
        paper, ink = ink, paper
    page = Pillow.new("L", (WIDTH, HEIGHT), paper)
    draw, size = ImageDraw.Draw(page), int(rng.integers(7, 22))
    font = ImageFont.load_default(size)
    at = float(rng.integers(4, 40))
    while at < HEIGHT - size:
        line = " ".join(rng.choice(WORDS.split(), int(rng.integers(2, 12))))
        draw.text((int(rng.integers(6, 16)), at), line, ink, font=font)
        at += size * rng.uniform(1.1, 1.9)
    return np.asarray(page.convert("RGB"))


def _grainy(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grain = rng.normal(0, rng.uniform(0, 4), picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)
