"""Contact sheets: an answer drawn as one picture, for `--show` and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from service.decode import Limits, decode
from service.domain import LabelCount, Recommendation
from service.errors import FashionStudioError

PAPER, INK, QUIET, FRAME, ACCENT = "#ffffff", "#1c1c1e", "#6e6e73", "#f2f2f0", "#b4552d"
TILE, GAP, MARGIN, CAPTION = (240, 320), 20, 36, 46  # pixels
NOTHING = "No garment"
Tile = tuple[bytes | None, str, str]  # picture, first and second line below it


def recommendation_sheet(
    query: bytes, answer: Recommendation, read: Callable[[str], bytes]
) -> Pillow.Image:
    """The query on the left, its matches in a grid on the right, each with its cosine similarity.

    query: the asked picture's bytes. read: a match's bytes by its image_path; one that cannot be
    read is drawn as an empty frame.
    """
    tiles = [
        (_try(read, match.image_path), match.label, f"{match.similarity:.3f}")
        for match in answer.matches
    ]
    best = answer.labels[0]
    columns = min(max(len(tiles), 1), 3 if len(tiles) <= 9 else 5)
    grid = _grid(tiles, columns)
    left = 2 * TILE[0] + 2 * MARGIN
    sheet = Pillow.new("RGB", (left + grid.width, max(grid.height, 2 * TILE[1] + 180)), PAPER)
    draw = ImageDraw.Draw(sheet)
    _place(sheet, query, (MARGIN, MARGIN, 2 * TILE[0], 2 * TILE[1]))
    y = MARGIN + 2 * TILE[1] + 18
    draw.text((MARGIN, y), best.label if answer.recognised else NOTHING, INK, _font(30))
    if answer.garment is not None:
        beside = f"{answer.garment.label_source} label"
    else:
        others = ", ".join(f"{s.label} {s.confidence:.0%}" for s in answer.labels[1:3])
        beside = f"{best.confidence:.0%}, then {others}"
        if not answer.recognised:
            beside = f"perhaps {best.label} {beside}"
    draw.text((MARGIN, y + 42), beside, QUIET, _font(18))
    sheet.paste(grid, (left, 0))
    if not tiles:
        draw.text((left, MARGIN), "No match.", QUIET, _font(22))
    return sheet


def set_sheet(
    images: Sequence[tuple[bytes, str | None, float]], counts: Sequence[LabelCount]
) -> Pillow.Image:
    """Every picture with its label and confidence, under a bar chart of the top categories.

    images: (bytes, label, confidence) of each; no label where no garment is recognised.
    """
    tiles: list[Tile] = [
        (data, label or NOTHING, f"{sure:.0%}" if label else "") for data, label, sure in images
    ]
    grid = _grid(tiles, min(max(len(tiles), 3), 6))
    bars = 34
    top = MARGIN + len(counts) * bars + GAP
    sheet = Pillow.new("RGB", (grid.width, top + grid.height), PAPER)
    draw = ImageDraw.Draw(sheet)
    most = max((count.count for count in counts), default=1)
    room = grid.width - 2 * MARGIN - 260
    for row, count in enumerate(counts):
        y = MARGIN + row * bars
        draw.text((MARGIN, y), count.label, INK, _font(20))
        width = max(4, round(room * count.count / most))
        draw.rounded_rectangle((MARGIN + 130, y + 2, MARGIN + 130 + width, y + 24), 4, ACCENT)
        text = f"{count.count}  {count.share:.0%}"
        draw.text((MARGIN + 142 + width, y + 1), text, QUIET, _font(19))
    sheet.paste(grid, (0, top))
    return sheet


def _grid(tiles: Sequence[Tile], columns: int) -> Pillow.Image:
    rows = max(1, -(-len(tiles) // columns))
    width = 2 * MARGIN + columns * TILE[0] + (columns - 1) * GAP
    sheet = Pillow.new("RGB", (width, 2 * MARGIN + rows * (TILE[1] + CAPTION) - GAP // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (data, first, second) in enumerate(tiles):
        x = MARGIN + index % columns * (TILE[0] + GAP)
        y = MARGIN + index // columns * (TILE[1] + CAPTION)
        _place(sheet, data, (x, y, *TILE))
        draw.text((x, y + TILE[1] + 8), first, INK, _font(18))
        font = _font(18)
        draw.text((x + TILE[0] - font.getlength(second), y + TILE[1] + 8), second, QUIET, font)
    return sheet


def _place(sheet: Pillow.Image, data: bytes | None, box: tuple[int, int, int, int]) -> None:
    """Draw a picture whole into a quiet frame; an unreadable one leaves the frame empty."""
    x, y, width, height = box
    ImageDraw.Draw(sheet).rectangle((x, y, x + width - 1, y + height - 1), FRAME)
    try:
        pixels = decode(data or b"", Limits(), side=max(width, height)).pixels
    except FashionStudioError:
        return
    picture = Pillow.fromarray(np.ascontiguousarray(pixels))
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    picture = picture.resize(size, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    sheet.paste(picture, (x + (width - size[0]) // 2, y + (height - size[1]) // 2))


def _try(read: Callable[[str], bytes], image_path: str) -> bytes | None:
    try:
        return read(image_path)
    except FashionStudioError:
        return None


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
