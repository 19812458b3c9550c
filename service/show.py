"""Contact sheets: an answer drawn as one picture, for `--show` and notebooks.

They look as the page does: its colours, its 4:5 pictures with round corners, its way of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from service.decode import Limits, decode
from service.domain import LabelCount, Recommendation
from service.errors import FashionStudioError

PAPER, TILE, INK, SOFT, ACCENT = "#fbfaf8", "#f0ede7", "#1d1b18", "#6a645c", "#8a3b2a"
WIDTH, HEIGHT, GAP, MARGIN, CAPTION = 240, 300, 24, 48, 54  # pixels of a picture and around it
BIG = 2 * WIDTH + GAP, 2 * HEIGHT + CAPTION  # the query, as tall as two rows of matches
RADIUS = 12
MOST = 300  # photos of a set that are drawn: 12 in a row they take 90 MB
LOSS = 0.3  # a picture that would lose more when it fills its frame is shown whole

# Pillow's own face has no letter beyond ASCII; on every system one of these has
SERIF = ("Palatino.ttc", "LiberationSerif-Regular.ttf", "georgia.ttf", "DejaVuSerif.ttf")
WIDE = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Box = tuple[int, int, int, int]  # left, top, width, height
Name = TypeVar("Name")
NOTHING = "No garment"
USUAL = Limits()


class Tile(NamedTuple):
    """A picture, None where it cannot be read, with what stands left and right below it."""

    data: bytes | None
    left: str
    right: str


def recommendation_sheet(
    query: bytes | None,
    answer: Recommendation,
    read: Callable[[str], bytes],
    limits: Limits = USUAL,
) -> Pillow.Image:
    """The query on the left, its matches in a grid on the right, each with its cosine similarity.

    query: the asked picture's bytes. read: a match's bytes by its image_path. A picture that is
    None, beyond `limits` or cannot be read is an empty frame that says so.
    """
    tiles = [
        Tile(read_if_there(read, match.image_path), match.label, similarity(match.similarity))
        for match in answer.matches
    ]
    many = len(tiles)
    columns = max(min(many, 3), math.isqrt(max(many - 1, 0)) + 1)  # about as many as rows
    side = BIG if many == 1 else (WIDTH, HEIGHT)  # a single match is as large as the query
    left = 2 * MARGIN + BIG[0]
    right = left + columns * (side[0] + GAP) - GAP if tiles else left - MARGIN
    rows = -(-many // columns)
    height = max(MARGIN + rows * (side[1] + CAPTION) + MARGIN // 2, MARGIN + BIG[1] + 220)
    sheet = Pillow.new("RGB", (right + MARGIN, height), PAPER)
    _place(sheet, query, (MARGIN, MARGIN, *BIG), limits)
    draw = ImageDraw.Draw(sheet)
    names = answer.searched_labels
    place = "all categories" if len(names) > 3 else ", ".join(names)
    lines = [
        (answer.labels[0].label if answer.recognised else NOTHING, 44, INK, True),
        (_beside(answer), 20, SOFT, False),
        (_found(answer, place), 20, INK, False),
        (f"{many} of {answer.requested}, {answer.method}, {answer.model}", 18, SOFT, False),
    ]
    y = MARGIN + BIG[1] + 18
    for text, size, ink, serif in lines:
        _write(draw, (MARGIN, y), text, size, ink, BIG[0], serif=serif)
        y += round(size * 1.6) if serif else 32
    for place_of, tile in zip(_places(many, columns, left, MARGIN, side), tiles, strict=True):
        _tile(sheet, tile, (*place_of, *side), limits)
    return sheet


def set_sheet(
    images: Sequence[tuple[Name, str | None, float]],
    counts: Sequence[LabelCount],
    read: Callable[[Name], bytes],
    unread: int = 0,
    limits: Limits = USUAL,
) -> Pillow.Image:
    """The first `MOST` pictures with label and confidence, under a bar chart of the top categories.

    images: (name, label, confidence) of each; no label where no garment is recognised. read: a picture's
    bytes by its name, asked when it is drawn. unread: how many more could not be read.
    """
    many = min(len(images), MOST)
    columns = max(4, min(math.isqrt(max(many - 1, 0)) + 2, 12))
    width = 2 * MARGIN + columns * (WIDTH + GAP) - GAP
    bar, top = 46, MARGIN + 92
    below = top + len(counts) * bar + GAP
    rows = -(-many // columns)
    sheet = Pillow.new("RGB", (width, below + rows * (HEIGHT + CAPTION) + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    title = _many(len(images), "photo")
    title += f", {len(images) - many} of them not shown" if len(images) > many else ""
    title += f", {unread} more could not be read" if unread else ""
    _write(draw, (MARGIN, MARGIN - 8), title, 44, INK, width - 2 * MARGIN, serif=True)
    names = max((_font(20, count.label).getlength(count.label) for count in counts), default=0)
    start = MARGIN + min(math.ceil(names), WIDTH + 60) + GAP
    room = width - MARGIN - start - 130
    most = max((count.count for count in counts), default=1)
    for row, count in enumerate(counts):
        y = top + row * bar
        _write(draw, (MARGIN, y), count.label, 20, INK, start - MARGIN - GAP)
        draw.rounded_rectangle((start, y + 4, start + room, y + 20), 8, TILE)
        fill = max(16, round(room * count.count / most))
        draw.rounded_rectangle((start, y + 4, start + fill, y + 20), 8, ACCENT)
        said = f"{count.count}   {percent(count.share)}"
        _write(draw, (width - MARGIN, y), said, 20, SOFT, 130, -1)
    box = (WIDTH, HEIGHT)
    places = _places(many, columns, MARGIN, below, box)
    for place, (name, label, sure) in zip(places, images[:many], strict=True):
        tile = Tile(read_if_there(read, name), label or NOTHING, percent(sure) if label else "")
        _tile(sheet, tile, (*place, *box), limits)
    return sheet


def read_if_there(read: Callable[[Name], bytes], name: Name) -> bytes | None:
    """The picture's bytes; None where it is gone."""
    try:
        return read(name)
    except FashionStudioError:
        return None


def percent(share: float) -> str:
    """0 to 1 as the page writes it."""
    return "under 1 %" if 0 < share < 0.01 else f"{share * 100:.0f} %"


def similarity(cosine: float) -> str:
    """Two digits, three where two would round to 1."""
    return f"{cosine:.{3 if cosine > 0.994 else 2}f}"


def _beside(answer: Recommendation) -> str:
    if answer.garment is not None:
        return f"Garment {answer.garment.id}, {answer.garment.label_source} label"
    guesses = [f"{s.label} {percent(s.confidence)}" for s in answer.labels[:3]]
    if not answer.recognised:
        return "perhaps " + ", ".join(guesses)
    others = ", ".join(guesses[1:])
    return f"{percent(answer.labels[0].confidence)} sure" + (f", then {others}" if others else "")


def _found(answer: Recommendation, place: str) -> str:
    if answer.matches:
        return f"Most like it in {place}"
    return f"Nothing like it in {place}" if place else "Nothing searched"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _places(
    many: int, columns: int, left: int, top: int, side: tuple[int, int]
) -> list[tuple[int, int]]:
    return [
        (left + i % columns * (side[0] + GAP), top + i // columns * (side[1] + CAPTION))
        for i in range(many)
    ]


def _tile(sheet: Pillow.Image, tile: Tile, box: Box, limits: Limits) -> None:
    x, y, width, height = box
    _place(sheet, tile.data, box, limits)
    draw = ImageDraw.Draw(sheet)
    number = _font(18, tile.right).getlength(tile.right)
    _write(draw, (x + width, y + height + 10), tile.right, 18, SOFT, width, -1)
    _write(draw, (x, y + height + 10), tile.left, 18, INK, width - number - 12)


def _place(sheet: Pillow.Image, data: bytes | None, box: Box, limits: Limits) -> None:
    """Draw a picture into a frame with round corners; one that cannot be read is said in it."""
    x, y, width, height = box
    frame = Pillow.new("RGB", (width, height), TILE)
    try:
        pixels = decode(data or b"", limits, side=max(width, height)).pixels
    except FashionStudioError:
        draw, text = ImageDraw.Draw(frame), "no picture"
        draw.text((width / 2, height / 2), text, SOFT, _font(18, text), anchor="mm")
    else:
        picture = Pillow.fromarray(np.ascontiguousarray(pixels))
        scales = width / picture.width, height / picture.height
        scale = max(scales) if min(scales) / max(scales) >= 1 - LOSS else min(scales)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
        frame.paste(picture, ((width - size[0]) // 2, (height - size[1]) // 2))
    sheet.paste(frame, (x, y), _corners(width, height))


@lru_cache(8)
def _corners(width: int, height: int) -> Pillow.Image:
    mask = Pillow.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), 4 * RADIUS, 255)
    return mask.resize((width, height), Pillow.Resampling.BOX)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    ink: str,
    room: float,
    side: int = 1,
    *,
    serif: bool = False,
) -> None:
    """One line from `place` to the right, or with side=-1 to the left; cut where it has no room."""
    font = _font(size, text, serif)
    if font.getlength(text) > room:
        while text and font.getlength(text + "…") > room:
            text = text[:-1]
        text = text.rstrip(" ,") + "…"
    draw.text(place, text, ink, font, anchor="la" if side > 0 else "ra")


def _font(size: int, text: str, serif: bool = False) -> Font:
    """A face that has the letters of `text`."""
    if serif:
        return _face(size, SERIF)
    return _face(size, () if text.isascii() else WIDE)


@lru_cache(32)
def _face(size: int, names: tuple[str, ...]) -> Font:
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:  # this system has none of that name
            continue
    return ImageFont.load_default(size)
