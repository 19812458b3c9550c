"""Contact sheets: whatever is asked, everything lies in its place."""

from __future__ import annotations

import errno
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageColor, ImageDraw

from service import show
from service.decode import Limits
from service.domain import LabelConfidence, LabelCount, Match, Recommendation
from service.errors import ImageUndecodable
from service.show import (
    BIG,
    CAPTION,
    GAP,
    HEIGHT,
    MARGIN,
    MOST,
    PAPER,
    TILE,
    WIDTH,
    percent,
    recommendation_sheet,
    set_sheet,
    similarity,
)

from .pictures import encoded, picture
from .test_cli import called

LONG = "Sweatshirt with a very long hood, a zip and a name that no caption holds"
PORTRAIT, LANDSCAPE = encoded(picture(90, 120)), encoded(picture(160, 90))


def answered(n: int, label: str = "Dress") -> Recommendation:
    labels = (LabelConfidence(label, 0.7), LabelConfidence(LONG, 0.2), LabelConfidence("Tee", 0.1))
    matches = tuple(Match(i, f"{i}.jpg", label, 0.9) for i in range(n))
    return Recommendation(labels, matches, (label,), "exact", n, "tiny@1")


def pixels(sheet: Pillow.Image) -> np.ndarray:
    return np.asarray(sheet.convert("RGB"))


def is_all(part: np.ndarray, colour: str) -> bool:
    return part.size > 0 and bool((part == ImageColor.getrgb(colour)).all())


@pytest.mark.parametrize("label", ["Dress", LONG, "Überwurf", "Платье"])
@pytest.mark.parametrize("n", [0, 1, 2, 9, 100])
def test_nothing_is_drawn_into_margins_or_between_matches(n: int, label: str) -> None:
    drawn = pixels(recommendation_sheet(PORTRAIT, answered(n, label), lambda _: PORTRAIT))
    edge = MARGIN // 2
    for part in (drawn[:edge], drawn[-edge:], drawn[:, :edge], drawn[:, -edge:]):
        assert is_all(part, PAPER)
    left = MARGIN + BIG[0]
    if n > 1:
        assert is_all(drawn[:, left + 1 : left + MARGIN - 1], PAPER)
        between = left + MARGIN + WIDTH
        assert is_all(drawn[:, between + 1 : between + GAP - 1], PAPER)


def test_a_hundred_matches_are_about_as_wide_as_high() -> None:
    sheet = recommendation_sheet(PORTRAIT, answered(100), lambda _: PORTRAIT)
    assert 0.7 < sheet.width / sheet.height < 1.4


def test_a_picture_that_is_gone_is_an_empty_frame() -> None:
    def read(image_path: str) -> bytes:
        if image_path == "0.jpg":
            raise ImageUndecodable("It is gone.")
        return PORTRAIT

    drawn = pixels(recommendation_sheet(None, answered(2), read))
    left = 2 * MARGIN + BIG[0]
    assert is_all(drawn[MARGIN + 20 : MARGIN + 100, left + 20 : left + WIDTH - 20], TILE)
    assert is_all(drawn[MARGIN + 20 : MARGIN + 100, MARGIN + 20 : MARGIN + 200], TILE)
    second = left + WIDTH + GAP
    assert not is_all(drawn[MARGIN + 20 : MARGIN + 100, second + 20 : second + WIDTH - 20], TILE)


def test_a_picture_beyond_the_usual_limits_is_shown_where_they_were_raised() -> None:
    large = encoded(picture(120, 150))
    frame = MARGIN + 20, slice(MARGIN + 20, MARGIN + 200)
    for limits, empty in (
        (Limits(max_pixels=120 * 150), False),
        (Limits(max_pixels=120 * 150 - 1), True),
    ):
        answer = recommendation_sheet(large, answered(0), lambda _: large, limits)
        assert is_all(pixels(answer)[frame], TILE) is empty
        counted = set_sheet([("a.png", "Dress", 0.9)], [], lambda _: large, 0, limits)
        below = slice(counted.height - 200, counted.height - 120)
        assert is_all(pixels(counted)[below, MARGIN + 90 : MARGIN + 110], TILE) is empty


def test_a_picture_fills_its_frame_unless_it_would_lose_much() -> None:
    left = 2 * MARGIN + BIG[0]
    for data, whole in ((PORTRAIT, False), (LANDSCAPE, True)):
        drawn = pixels(recommendation_sheet(PORTRAIT, answered(2), lambda _, data=data: data))
        top = drawn[MARGIN + 2 : MARGIN + 20, left + 20 : left + WIDTH - 20]
        assert is_all(top, TILE) is whole
        assert not is_all(drawn[MARGIN + HEIGHT // 2, left + 20 : left + WIDTH - 20], TILE)


def test_bars_are_as_long_as_their_counts() -> None:
    counts = [LabelCount("Dress", 8, 0.8), LabelCount(LONG, 2, 0.2)]
    images = [("portrait", "Dress", 0.9)] * 8 + [("landscape", LONG, 0.3)] * 2
    read = {"portrait": PORTRAIT, "landscape": LANDSCAPE}.__getitem__
    sheet = set_sheet(images, counts, read, unread=3)
    drawn = pixels(sheet)
    accent = (drawn == ImageColor.getrgb("#8a3b2a")).all(axis=2).sum(axis=1)
    lengths = sorted({int(length) for length in accent if length > 40})
    assert lengths[0] == pytest.approx(lengths[-1] / 4, abs=20)
    assert is_all(drawn[:, : MARGIN // 2], PAPER)
    assert is_all(drawn[:, -MARGIN // 2 :], PAPER)
    first = set_sheet(images[:1], counts[:1], read)
    assert first.height - MARGIN > HEIGHT + CAPTION


def test_of_thousands_of_photos_the_first_are_drawn_and_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    written: list[str] = []
    write = show._write

    def read(number: int) -> bytes:
        asked.append(number)
        return PORTRAIT + bytes(200_000)

    def note(draw: ImageDraw.ImageDraw, place: tuple, text: str, *how: object, **more: bool):
        written.append(text)
        write(draw, place, text, *how, **more)

    monkeypatch.setattr(show, "_write", note)
    tracemalloc.start()
    sheet = set_sheet([(number, "Dress", 0.9) for number in range(5000)], [], read, unread=3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert asked == list(range(MOST))
    assert sheet.height < 10_000
    assert peak < 100 * 200_000
    assert written[0] == "5000 photos, 4700 of them not shown, 3 more could not be read"


def test_top_says_what_it_counted_before_it_draws(
    environment: dict[str, str], drawn: Path, tmp_path: Path
) -> None:
    photo = next(drawn.glob("images/*.jpg"))
    done = called("top", str(photo), "--show", str(tmp_path / "nowhere" / "top.png"))
    assert (done.returncode, "100.0%" in done.stdout) == (2, True)
    assert "top.png cannot be written" in done.stderr


def test_an_answer_is_drawn_whole_or_not_at_all(
    environment: dict[str, str], drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = next(drawn.glob("images/*.jpg"))
    for name in ("top.psd", "top", "top.xpm"):
        done = called("top", str(photo), "--show", str(tmp_path / name))
        assert done.returncode == 2
        assert f"{name} cannot be written: no picture ends so" in done.stderr
    sheet = tmp_path / "top.png"
    sheet.write_bytes(b"an earlier one")

    write = Path.write_bytes

    def full(file: Path, data: bytes) -> None:
        write(file, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = called("top", str(photo), "--show", str(sheet))
    assert done.returncode == 1
    assert "There is no room for" in done.stderr
    assert sheet.read_bytes() == b"an earlier one"
    assert list(tmp_path.iterdir()) == [sheet]


def test_numbers_are_written_as_on_the_page() -> None:
    assert [percent(share) for share in (0, 0.004, 0.5, 1)] == ["0 %", "under 1 %", "50 %", "100 %"]
    assert [similarity(cosine) for cosine in (1, 0.9951, 0.981, -0.2)] == [
        "1.000", "0.995", "0.98", "-0.20",
    ]  # fmt: skip
