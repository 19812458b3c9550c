"""From which cosine on are two pictures the same one? Copies of pictures against other garments.

    .venv/bin/python benchmarks/duplicates.py [--pictures 150] [--photos ../shared/photos/garments.csv]

Real photos and drawn garments are copied as shops copy them: encoded again, made smaller, cropped,
brightened. For each cosine the table says which share of the copies is at least so like its original,
and which share of the pictures has one of another garment that is. Another garment is, of photos, one of
another photographer; of drawn ones, another one that was drawn. `analytics duplicates` uses
`FASHION_STUDIO_DUPLICATE_SIMILARITY`; a bundle of your own may need another one.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from garments import CACHE, DRAWN, PHOTOS, embedded
from PIL import Image, ImageEnhance

from service.collection import draw_collection
from service.decode import Limits, decode, fit, read
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.openvino import OpenVinoEncoder
from service.sources import Item, read_source

LEVELS = (0.90, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999)


def saved(picture: Image.Image, kind: str = "JPEG", **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """Without `share` of the width and height at each edge."""
    x, y = round(picture.width * share), round(picture.height * share)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def smaller(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)))


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG, quality 75": lambda p: saved(p, quality=75),
    "JPEG, quality 40": lambda p: saved(p, quality=40),
    "WebP, quality 60": lambda p: saved(p, "WEBP", quality=60),
    "half as large": lambda p: saved(smaller(p, 0.5), quality=90),
    "twice as large": lambda p: saved(smaller(p, 2), quality=90),
    "cropped by 1 % at each edge": lambda p: saved(cropped(p, 0.01), quality=90),
    "cropped by 3 %": lambda p: saved(cropped(p, 0.03), quality=90),
    "cropped by 8 %": lambda p: saved(cropped(p, 0.08), quality=90),
    "10 % brighter": lambda p: saved(ImageEnhance.Brightness(p).enhance(1.1), quality=90),
    "mirrored": lambda p: saved(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), quality=90),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=150, help="of each kind that are copied")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    card = read_card(SHIPPED)
    encoder = OpenVinoEncoder(SHIPPED, arguments.cache)
    vectors, _ = embedded(arguments.cache, arguments.photos)
    drawn = list(read_source(draw_collection(arguments.cache / "drawn", DRAWN), labels=card.labels))
    kinds = {"drawn": (drawn, "garment", vectors[: len(drawn)])}
    if arguments.photos.exists():
        photos = list(read_source(arguments.photos, labels=card.labels))
        kinds["photos"] = (photos, "sender_id", vectors[len(drawn) :])

    def embed(data: bytes) -> np.ndarray:
        pixels = decode(data, Limits(), side=card.input_size).pixels
        return encoder.predict(fit(pixels, card.input_size)).embedding

    for name, (items, group, mine) in kinds.items():
        unit = mine.astype(np.float32) / np.linalg.norm(mine.astype(np.float32), axis=1)[:, None]
        print(f"\n| {name} | " + " | ".join(f"≥ {level}" for level in LEVELS) + " |")
        print("| --- |" + " ---: |" * len(LEVELS))
        other, like = nearest_other(unit, [item.columns[group] for item in items])
        show(f"another garment's picture, of {len(items)}", other)
        rng = np.random.default_rng(0)
        chosen = rng.choice(len(items), min(arguments.pictures, len(items)), replace=False)
        for copy, make in COPIES.items():
            with ThreadPoolExecutor(encoder.requests) as pool:
                made = pool.map(lambda at: embed(make(upright(items[at]))), chosen)  # noqa: B023
                found = np.stack(list(made))
            found /= np.linalg.norm(found, axis=1, keepdims=True)
            show(copy, (found * unit[chosen]).sum(axis=1))
        for at in np.argsort(-other)[:5]:
            print(f"    {other[at]:.4f} {items[at].name} {items[like[at]].name}")


def upright(item: Item) -> Image.Image:
    return Image.fromarray(decode(read(item.file, Limits()), Limits()).pixels)


def nearest_other(unit: np.ndarray, groups: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of each picture the highest cosine to one of another group, and that one's place."""
    numbers = np.unique(groups, return_inverse=True)[1]
    best, place = np.empty(len(unit), np.float32), np.empty(len(unit), int)
    for at, mine in enumerate(unit):
        cosines = unit @ mine
        cosines[numbers == numbers[at]] = -1
        place[at] = cosines.argmax()
        best[at] = cosines[place[at]]
    return best, place


def show(what: str, cosines: np.ndarray) -> None:
    print(
        f"| {what} | " + " | ".join(f"{(cosines >= level).mean():.3f}" for level in LEVELS) + " |"
    )


if __name__ == "__main__":
    main()
