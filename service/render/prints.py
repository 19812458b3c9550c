"""Printed, knitted and woven patterns: one tile of SVG each, in units of cloth."""

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from service.render.measures import measure
from service.render.palette import luma, mix, shade
from service.render.spec import GarmentSpec

# (width, height, content) of one repeat
Tile = tuple[float, float, str]

# Stripes span the garment: a tile that ended on it would show a hairline.
_WIDE = 700.0


def _rect(x: float, y: float, w: float, h: float, fill: str, opacity: float = 1.0) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}" '
        f'fill-opacity="{opacity:.2f}"/>'
    )


def _stripes(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    repeat = rng.choice([22.0, 30.0, 40.0]) * spec.pattern_scale
    return _WIDE, repeat, _rect(0, 0, _WIDE, repeat * rng.choice([0.3, 0.45, 0.5]), spec.second)


def _pinstripe(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    repeat = 17.0 * spec.pattern_scale
    return repeat, 1200, _rect(0, 0, 1.6, 1200, spec.second, 0.6)


def _bars(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    repeat = 84.0 * spec.pattern_scale
    return _WIDE, repeat, _rect(0, 0, _WIDE, repeat / 2, spec.second)


def _plaid(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    t = 74.0 * spec.pattern_scale
    dark = shade(spec.colour, -0.55)
    thin = mix(spec.second, "#ffffff", 0.25)
    parts = []
    for horizontal in (False, True):
        for at, wide, colour, opacity in (
            (0.0, 0.34, dark, 0.42),
            (0.44, 0.08, dark, 0.36),
            (0.62, 0.2, spec.second, 0.34),
            (0.92, 0.035, thin, 0.7),
        ):
            x, y, w, h = (0.0, at, 1.0, wide) if horizontal else (at, 0.0, wide, 1.0)
            parts.append(_rect(x * t, y * t, w * t, h * t, colour, opacity))
    return t, t, "".join(parts)


def _gingham(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    t = 24.0 * spec.pattern_scale
    ink = spec.second if luma(spec.second) > 0.6 else mix(spec.second, "#ffffff", 0.55)
    return t, t, _rect(0, 0, t / 2, t, ink, 0.5) + _rect(0, 0, t, t / 2, ink, 0.5)


def _dots(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    t = rng.choice([22.0, 30.0, 42.0]) * spec.pattern_scale
    r = t * rng.choice([0.12, 0.17])
    at = ((t / 4, t / 4), (3 * t / 4, 3 * t / 4))
    return t, t, "".join(f'<circle cx="{x}" cy="{y}" r="{r}" fill="{spec.second}"/>' for x, y in at)


def flower(x: float, y: float, r: float, turn: float, petal: str, heart: str, count: int) -> str:
    """A flower of `count` petals with radius r around (x, y)."""
    petals = "".join(
        f'<ellipse cx="{x + r * 0.55 * cos(a):.1f}" cy="{y + r * 0.55 * sin(a):.1f}" '
        f'rx="{r * 0.5:.1f}" ry="{r * 0.33:.1f}" fill="{petal}" '
        f'transform="rotate({a * 180 / pi:.0f} {x + r * 0.55 * cos(a):.1f} '
        f'{y + r * 0.55 * sin(a):.1f})"/>'
        for a in (turn + 2 * pi * k / count for k in range(count))
    )
    return petals + f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r * 0.22:.1f}" fill="{heart}"/>'


def _floral(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    t = rng.choice([84.0, 110.0]) * spec.pattern_scale
    leaf = mix("#4e7a4a", spec.colour, 0.25)
    petals = (spec.second, mix(spec.second, "#e58a8a", 0.5), mix(spec.second, "#f3e3b0", 0.55))
    parts = []
    for i, (x, y) in enumerate(((0.25, 0.2), (0.72, 0.34), (0.3, 0.68), (0.76, 0.8))):
        r = t * rng.uniform(0.1, 0.19)
        cx, cy = (x + rng.uniform(-0.04, 0.04)) * t, (y + rng.uniform(-0.02, 0.02)) * t
        for a in rng.uniform(0, 2 * pi, 2):
            lx, ly = cx + 1.15 * r * cos(a), cy + 1.15 * r * sin(a)
            parts.append(
                f'<ellipse cx="{lx:.1f}" cy="{ly:.1f}" rx="{r * 0.5:.1f}" ry="{r * 0.2:.1f}" '
                f'fill="{leaf}" transform="rotate({a * 180 / pi:.0f} {lx:.1f} {ly:.1f})"/>'
            )
        parts.append(
            flower(cx, cy, r, rng.uniform(0, pi), petals[i % 3], shade(petals[i % 3], -0.5), 5)
        )
    for x, y in rng.uniform(0.05, 0.95, (6, 2)):
        parts.append(f'<circle cx="{x * t:.1f}" cy="{y * t:.1f}" r="2.2" fill="{petals[1]}"/>')
    return t, t, "".join(parts)


def sleeves_differ(spec: GarmentSpec) -> bool:
    """Whether the sleeves have the second colour alone."""
    return spec.pattern == "block" and spec.motif % 2 == 1


def _block(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    # Most of the cloth keeps the colour that the garment's family says
    share = rng.choice([0.28, 0.34, 0.4])
    if sleeves_differ(spec) and spec.sleeve in ("elbow", "long"):
        share -= 0.12
    edge = share * measure(spec).hem[1]
    band = shade(spec.second, 0.45 if luma(spec.second) < 0.6 else -0.4)
    content = _rect(0, 0, 2000, 500 + edge, spec.second) + _rect(0, 500 + edge, 2000, 12, band)
    return 2000, 2000, content


def _fairisle(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    t = 26.0 * spec.pattern_scale
    ink, third = spec.second, mix(spec.second, spec.colour, 0.5)
    zig = f"M0 {t * 0.3:.1f}L{t / 2:.1f} {t * 0.02:.1f}L{t:.1f} {t * 0.3:.1f}"
    diamond = f"M{t / 2} {t}L{t * 0.85} {t * 1.4}L{t / 2} {t * 1.8}L{t * 0.15} {t * 1.4}Z"
    content = (
        f'<path d="{zig}" fill="none" stroke="{ink}" stroke-width="4"/>'
        + _rect(0, t * 0.55, t, 3, third)
        + f'<path d="{diamond}" fill="{ink}"/>'
        + f'<circle cx="0" cy="{t * 1.4}" r="3.5" fill="{third}"/>'
        + f'<circle cx="{t}" cy="{t * 1.4}" r="3.5" fill="{third}"/>'
        + _rect(0, t * 2.1, t, 3, third)
        + f'<path d="M0 {t * 2.35}h{t / 2}v{t * 0.2}h-{t / 2}Z" fill="{ink}"/>'
    )
    return t, t * 3, content


def _argyle(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    w, h = 56.0 * spec.pattern_scale, 84.0 * spec.pattern_scale
    line = mix(spec.second, "#ffffff", 0.4)
    return (
        w,
        h,
        f'<path d="M{w / 2} 0L{w} {h / 2}L{w / 2} {h}L0 {h / 2}Z" fill="{spec.second}" '
        'opacity="0.75"/>'
        f'<path d="M0 0L{w} {h}M{w} 0L0 {h}" stroke="{line}" stroke-width="1.6" '
        'stroke-dasharray="5 3" fill="none"/>',
    )


def _chevron(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    w, h = 40.0 * spec.pattern_scale, 34.0 * spec.pattern_scale
    parts = "".join(
        f'<path d="M{-w / 2:.1f} {y:.1f}L0 {y + h * 0.6:.1f}L{w / 2:.1f} {y:.1f}'
        f"L{w:.1f} {y + h * 0.6:.1f}L{w * 1.5:.1f} {y:.1f}"
        f'" fill="none" stroke="{spec.second}" stroke-width="{h * 0.42:.1f}"/>'
        for y in (-h, 0, h)
    )
    return w, h, parts


def _blob(rng: np.random.Generator, x: float, y: float, r: float, fill: str) -> str:
    count = 7
    ring = [
        (x + r * k * 1.3 * cos(2 * pi * i / count), y + r * k * sin(2 * pi * i / count))
        for i, k in enumerate(rng.uniform(0.5, 1.2, count))
    ]
    mids = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip(ring, ring[1:] + ring[:1],
                                                                  strict=True)]  # fmt: skip
    data = f"M{mids[-1][0]:.1f} {mids[-1][1]:.1f}" + "".join(
        f"Q{p[0]:.1f} {p[1]:.1f} {m[0]:.1f} {m[1]:.1f}" for p, m in zip(ring, mids, strict=True)
    )
    return f'<path d="{data}Z" fill="{fill}"/>'


def _camo(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    t = 120.0 * spec.pattern_scale
    tones = (shade(spec.colour, -0.5), mix(spec.colour, "#c9b98f", 0.6), shade(spec.colour, -0.75))
    parts = []
    for i in range(14):
        x, y = (i % 4 + rng.uniform(0.2, 0.8)) * t / 4, (i // 4 + rng.uniform(0.2, 0.8)) * t / 3.5
        blob = _blob(rng, x, y, t * rng.uniform(0.09, 0.17), tones[int(rng.integers(3))])
        # Copies across the tile's edges hide the seams of the repeat.
        parts += [
            f'<g transform="translate({dx:.1f} {dy:.1f})">{blob}</g>'
            for dx in (-t, 0, t)
            for dy in (-t, 0, t)
            if -0.3 * t < x + dx < 1.3 * t and -0.3 * t < y + dy < 1.3 * t
        ]
    return t, t, "".join(parts)


def _leopard(spec: GarmentSpec, rng: np.random.Generator) -> Tile:
    t = 66.0 * spec.pattern_scale
    dark, mid = "#2a211c", shade(spec.colour, -0.35)
    parts = []
    for x, y in ((0.2, 0.2), (0.62, 0.14), (0.38, 0.5), (0.82, 0.46), (0.16, 0.8), (0.6, 0.8)):
        r = t * rng.uniform(0.08, 0.12)
        parts.append(_blob(rng, x * t, y * t, r * 1.25, dark))
        parts.append(_blob(rng, x * t + r * 0.3, y * t + r * 0.2, r * 0.8, mid))
    return t, t, "".join(parts)


TILES: dict[str, Callable[[GarmentSpec, np.random.Generator], Tile]] = {
    "stripes": _stripes,
    "pinstripe": _pinstripe,
    "bars": _bars,
    "plaid": _plaid,
    "gingham": _gingham,
    "dots": _dots,
    "floral": _floral,
    "block": _block,
    "fairisle": _fairisle,
    "argyle": _argyle,
    "chevron": _chevron,
    "camo": _camo,
    "leopard": _leopard,
}
