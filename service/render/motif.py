"""Graphic prints on the chest: small pictures and lettering drawn from a seed."""

from math import cos, pi, sin

import numpy as np

from service.render.ink import fill, stroke
from service.render.palette import luma, mix
from service.render.prints import flower
from service.render.spec import GarmentSpec

# Strokes of capitals in a box of 10 x 14, enough letters for the words below.
_GLYPHS = {
    "A": "M0 14L5 0L10 14M2 9H8",
    "B": "M0 0V14H6Q10 14 10 10.5T6 7H0M6 7Q9 7 9 3.5T6 0H0",
    "C": "M10 3Q9 0 5 0T0 7T5 14T10 11",
    "D": "M0 0V14H4Q10 14 10 7T4 0Z",
    "E": "M10 0H0V14H10M0 7H8",
    "H": "M0 0V14M10 0V14M0 7H10",
    "I": "M5 0V14",
    "K": "M0 0V14M10 0L0 8M3 6L10 14",
    "L": "M0 0V14H10",
    "M": "M0 14V0L5 8L10 0V14",
    "N": "M0 14V0L10 14V0",
    "O": "M5 0Q0 0 0 7T5 14T10 7T5 0Z",
    "P": "M0 14V0H6Q10 0 10 4T6 8H0",
    "R": "M0 14V0H6Q10 0 10 4T6 8H0M5 8L10 14",
    "S": "M10 2Q8 0 5 0Q0 0 0 3.5T5 7T10 10.5T5 14Q2 14 0 12",
    "T": "M0 0H10M5 0V14",
    "U": "M0 0V9Q0 14 5 14T10 9V0",
    "V": "M0 0L5 14L10 0",
    "W": "M0 0L2.5 14L5 5L7.5 14L10 0",
    "Y": "M0 0L5 7L10 0M5 7V14",
}
_WORDS = ("COAST", "NORTH", "WAVES", "SLOW DAY", "MOON", "SUNDAY", "WILD", "HELLO", "VISTA",
          "BEACH", "TEAM", "PARK", "RADIO", "LUNA", "SPORT")  # fmt: skip


def _word(word: str, y: float, width: float, ink: str, bold: float) -> str:
    """A line of capitals centred on x = 0, its top at y, `width` units wide."""
    advance = 14.0
    scale = min(width / (advance * len(word) - 4), 2.6)
    left = -(advance * len(word) - 4) * scale / 2
    strokes = "".join(
        f'<path d="{_GLYPHS[c]}" transform="translate({advance * i} 0)"/>'
        for i, c in enumerate(word)
        if c != " "
    )
    return (
        f'<g transform="translate({left:.1f} {y:.1f}) scale({scale:.2f})" fill="none" '
        f'stroke="{ink}" stroke-width="{bold}" stroke-linejoin="round">{strokes}</g>'
    )


def _sun(a: str, b: str, rng: np.random.Generator) -> str:
    waves = "".join(stroke(f"M-52 {y}q13 -10 26 0t26 0t26 0t26 0", b, 4.5) for y in (22, 34, 46))
    return f'<circle r="34" cy="-8" fill="{a}"/>{waves}'


def _peaks(a: str, b: str, rng: np.random.Generator) -> str:
    return (
        f'<circle r="13" cx="26" cy="-34" fill="{b}"/>'
        + fill("M-58 36L-18 -34L8 10L22 -12L58 36Z", a)
        + fill("M-18 -34L-30 -12L-20 -16L-14 -8L-6 -14Z", b)
    )


def _heart(a: str, b: str, rng: np.random.Generator) -> str:
    return fill("M0 44C-70 -4 -46 -52 -16 -42Q-4 -38 0 -24Q4 -38 16 -42C46 -52 70 -4 0 44Z", a)


def _star(a: str, b: str, rng: np.random.Generator) -> str:
    points = " ".join(
        f"{r * sin(pi * i / 5):.1f},{-r * cos(pi * i / 5):.1f}"
        for i in range(10)
        for r in ((46, 20)[i % 2],)
    )
    return f'<polygon points="{points}" fill="{a}"/>'


def _bouquet(a: str, b: str, rng: np.random.Generator) -> str:
    stems = stroke("M0 50Q-4 20 -24 -4M0 50Q2 10 2 -22M0 50Q8 22 28 0", mix(a, "#4e7a4a", 0.7), 3)
    return (
        stems
        + flower(-26, -10, 19, 0.3, a, b, 6)
        + flower(2, -30, 22, 0.0, b, a, 6)
        + flower(30, -6, 18, 0.6, a, b, 5)
    )


def _cat(a: str, b: str, rng: np.random.Generator) -> str:
    head = "M-40 -44L-20 -28Q0 -36 20 -28L40 -44Q48 -10 38 14Q22 40 0 40T-38 14Q-48 -10 -40 -44Z"
    eyes = "".join(f'<circle cx="{x}" cy="-4" r="6" fill="{b}"/>' for x in (-16, 16))
    return fill(head, a) + eyes + stroke("M-7 14Q-4 20 0 14Q4 20 7 14", b, 3)


def _rings(a: str, b: str, rng: np.random.Generator) -> str:
    return "".join(
        f'<circle cx="{x}" r="{r}" fill="none" stroke="{ink}" stroke-width="7"/>'
        for x, r, ink in ((-20, 28, a), (20, 28, b), (0, 14, a))
    )


def _box(a: str, b: str, rng: np.random.Generator) -> str:
    photo = fill("M-44 -46H44V46H-44Z", mix(a, b, 0.4)) + fill(
        "M-44 46V10L-14 -16L12 14L26 2L44 22V46Z", a
    )
    return photo + f'<circle cx="20" cy="-22" r="10" fill="{b}"/>'


_PICTURES = (_sun, _peaks, _heart, _star, _bouquet, _cat, _rings, _box)


def chest_print(spec: GarmentSpec, width: float, top: float, bottom: float) -> str:
    """The print of a garment whose chest is `width` units wide, between the y of `top` and of `bottom`.

    A print that would be longer is drawn smaller.
    """
    rng = np.random.default_rng(spec.motif)
    pale = luma(spec.colour) < 0.45
    a = (
        spec.second
        if abs(luma(spec.second) - luma(spec.colour)) > 0.22
        else ("#f3efe6" if pale else "#26262b")
    )
    b = str(rng.choice(["#e8b04a", "#d9573f", "#6fa8a4", "#f0d9c4", "#8aa0c8"]))
    kind = rng.choice(["word", "picture", "both", "both", "small"])
    if kind == "small":
        picture = _PICTURES[rng.integers(len(_PICTURES))](a, b, rng)
        return (
            f'<g transform="translate({width * 0.26:.1f} {top + 24:.1f}) scale(0.34)">{picture}</g>'
        )
    word = str(rng.choice(_WORDS))
    bold = float(rng.choice([2.0, 3.2]))
    parts = []
    y = top + 12
    if kind != "word":
        size = rng.uniform(0.8, 1.2) * width / 250 * 1.15
        picture = _PICTURES[rng.integers(len(_PICTURES))](a, b, rng)
        parts.append(
            f'<g transform="translate(0 {y + 52 * size:.1f}) scale({size:.2f})">{picture}</g>'
        )
        y += 112 * size
    if kind != "picture":
        parts.append(_word(word, y, width * rng.uniform(0.42, 0.62), a, bold))
        y += 40
        if rng.random() < 0.4:
            y += 10
            parts.append(stroke(f"M{-width * 0.2:.0f} {y:.0f}h{width * 0.4:.0f}", b, 4))
    drawn = "".join(parts)
    if y <= bottom:
        return drawn
    scale = (bottom - top) / (y - top)
    return f'<g transform="translate(0 {top:.1f}) scale({scale:.2f}) translate(0 {-top:.1f})">{drawn}</g>'
