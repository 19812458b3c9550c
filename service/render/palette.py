"""Colour families of garments, and arithmetic on hex colours."""

import colorsys

import numpy as np

FAMILIES: dict[str, tuple[str, ...]] = {
    "white": ("#f4f2ec", "#faf8f4", "#efece6"),
    "black": ("#1d1d20", "#26262b", "#17181b"),
    "grey": ("#8b8d91", "#5d6167", "#b4b5b7", "#74777b"),
    "beige": ("#d9c7ab", "#cbb392", "#e4d6c0", "#c3a883"),
    "brown": ("#6f4a32", "#845c3f", "#553a2b", "#96683f"),
    "red": ("#b8242c", "#cc3333", "#d8333f"),
    "burgundy": ("#6b1f30", "#7c2638", "#5a1b2a"),
    "pink": ("#e3a3b1", "#d97a95", "#efc4c8", "#d83f7c"),
    "orange": ("#cf6a35", "#e07f3f", "#b7552c"),
    "yellow": ("#e2b53e", "#efd06a", "#d6a02c", "#f0dc8c"),
    "olive": ("#6c6b43", "#7f7d54", "#55583a"),
    "green": ("#2f6b4f", "#5f9672", "#24543f", "#8fb79a"),
    "teal": ("#2c7d84", "#4a9aa0", "#1f6068", "#7fbdbd"),
    "blue": ("#3b6fb0", "#6f9bd0", "#2a56a0", "#9dbde0"),
    "navy": ("#1f2f52", "#263a63", "#1a2744"),
    "purple": ("#6a4a8c", "#8d6fae", "#4f3670", "#b49aca"),
}

_PARTNERS: dict[str, tuple[str, ...]] = {
    "white": ("navy", "black", "red", "blue", "green", "beige"),
    "black": ("white", "grey", "red", "beige", "yellow"),
    "grey": ("white", "navy", "black", "burgundy"),
    "beige": ("white", "brown", "navy", "olive", "black"),
    "brown": ("beige", "white", "orange"),
    "red": ("white", "navy", "black", "beige"),
    "burgundy": ("beige", "white", "pink", "navy"),
    "pink": ("white", "burgundy", "grey", "navy"),
    "orange": ("white", "brown", "navy", "beige"),
    "yellow": ("white", "grey", "navy", "black"),
    "olive": ("beige", "white", "black"),
    "green": ("white", "beige", "navy", "yellow"),
    "teal": ("white", "beige", "navy"),
    "blue": ("white", "navy", "yellow", "beige"),
    "navy": ("white", "red", "beige", "blue", "yellow"),
    "purple": ("white", "grey", "pink", "beige"),
}


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of '#rrggbb', each in 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def to_hex(red: float, green: float, blue: float) -> str:
    """'#rrggbb' of channels in 0..1; values outside are clipped."""
    return "#" + "".join(f"{round(255 * min(1, max(0, c))):02x}" for c in (red, green, blue))


def mix(a: str, b: str, share: float) -> str:
    """The colour at `share` of the way from a to b."""
    return to_hex(*(x + (y - x) * share for x, y in zip(rgb(a), rgb(b), strict=True)))


def shade(colour: str, amount: float) -> str:
    """Darker for a negative amount down to -1 (black), lighter up to 1 (white)."""
    return mix(colour, "#ffffff" if amount > 0 else "#08080c", abs(amount))


def luma(colour: str) -> float:
    """Perceived lightness in 0..1 (weights of ITU-R BT.601)."""
    red, green, blue = rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def jitter(rng: np.random.Generator, colour: str, strength: float = 1.0) -> str:
    """A near neighbour of the colour in hue, saturation and value."""
    hue, sat, val = colorsys.rgb_to_hsv(*rgb(colour))
    hue = (hue + rng.normal(0, 0.008 * strength)) % 1
    sat = min(1, max(0, sat * (1 + rng.normal(0, 0.06 * strength))))
    val = min(1, max(0.05, val + rng.normal(0, 0.02 * strength)))
    return to_hex(*colorsys.hsv_to_rgb(hue, sat, val))


def draw_colour(rng: np.random.Generator, family: str) -> str:
    """A random member of the family, as '#rrggbb'."""
    return jitter(rng, str(rng.choice(FAMILIES[family])))


def draw_partner(rng: np.random.Generator, family: str) -> str:
    """A colour that goes with the family, as '#rrggbb'."""
    return draw_colour(rng, str(rng.choice(_PARTNERS[family])))
