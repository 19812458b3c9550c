"""Pictures as accidents and enemies make them, from real ones; the same for the same seed."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache

from PIL import Image as Pillow

from ..pictures import encoded, png_header

NAMES = ("a.jpg", "a.png", "a.gif", "a.txt", "a", "../../a.jpg", "a.jpg\x00.png", "é\u202e.jpg")


def mutations(seeds: Sequence[bytes], count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes): truncated, flipped, spliced, mislabelled, bombs; some are still pictures."""
    rng = random.Random(seed)
    forms = [*seeds, *(form for data in seeds[:3] for form in _forms(data))]
    ways = (_cut, _flip, _splice, _shuffle, _repeat, _bomb, _noise)
    for number in range(count):
        way = ways[number % len(ways)]
        yield rng.choice(NAMES), way(rng, rng.choice(forms))


def _forms(data: bytes) -> list[bytes]:
    """The picture in the other formats."""
    with Pillow.open(io.BytesIO(data)) as picture:
        picture.load()
        return [encoded(picture, kind) for kind in ("PNG", "WEBP", "GIF", "BMP", "TIFF")]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 20, 200))):
        changed[rng.randrange(min(len(data), rng.choice((64, 1024, len(data)))))] ^= (
            1 << rng.randrange(8)
        )
    return bytes(changed)


def _splice(rng: random.Random, data: bytes) -> bytes:
    place, size = rng.randrange(len(data)), rng.randrange(1, 400)
    return data[:place] + rng.randbytes(size) + data[place + rng.randrange(size) :]


def _shuffle(rng: random.Random, data: bytes) -> bytes:
    pieces = [data[i : i + 512] for i in range(0, len(data), 512)]
    rng.shuffle(pieces)
    return b"".join(pieces)


def _repeat(rng: random.Random, data: bytes) -> bytes:
    return data * rng.randrange(2, 5)


def _bomb(rng: random.Random, data: bytes) -> bytes:
    """Little that claims, or holds, very much."""
    kind = rng.randrange(4)
    if kind == 0:
        return png_header(
            rng.choice((30_000, 65_535, 2**31 - 1)), rng.choice((1, 30_000, 2**31 - 1))
        )
    return (_deflated, _frames, _plain)[kind - 1]()


@cache
def _deflated() -> bytes:
    """A text chunk of 64 MB, deflated to 64 kB."""
    text = b"zTXta\0\0" + zlib.compress(b"\0" * 64_000_000)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    whole = encoded(Pillow.new("RGB", (64, 64)), "PNG")
    return whole[:33] + chunk + whole[33:]


@cache
def _frames() -> bytes:
    frames = [Pillow.new("P", (300, 300), i % 256) for i in range(120)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@cache
def _plain() -> bytes:
    """Just within the pixels allowed."""
    return encoded(Pillow.new("L", (7000, 7000)), "PNG")


def _noise(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice((0, 2, 4, 12, 20))] + rng.randbytes(rng.randrange(1, 5000))
