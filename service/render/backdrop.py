"""What lies behind the garment: paper, wall, door, floor, bed, and stray objects."""

from math import cos, radians, sin

import numpy as np

from service.render.palette import mix, shade
from service.render.prints import flower
from service.render.scene import HEIGHT, WIDTH, Scene
from service.render.textures import CREASES, texture, texture_tile

_FULL = f'width="{WIDTH}" height="{HEIGHT}"'
# Floors are drawn larger than the frame, so that they can turn under it.
_WIDE = 'x="-420" y="-420" width="840" height="840"'


def backdrop(scene: Scene) -> str:
    """The background, filling the drawing."""
    rng = np.random.default_rng(scene.seed + 1)
    base = f'<rect {_FULL} fill="{scene.tone}"/>'
    return (
        base
        + {
            "paper": _paper,
            "wall": _wall,
            "door": _door,
            "wood": _wood,
            "tiles": _tiles,
            "carpet": _carpet,
            "sheet": _sheet,
            "blanket": _blanket,
        }[scene.backdrop](scene, rng)
        + _clutter(scene, rng)
    )


def _turned(scene: Scene, content: str) -> str:
    place = f"translate({WIDTH / 2} {HEIGHT / 2}) rotate({scene.grid:.1f})"
    return f'<g transform="{place}">{content}</g>'


def _paper(scene: Scene, rng: np.random.Generator) -> str:
    x = 0.5 + 0.4 * cos(radians(scene.light_from))
    y = 0.5 + 0.4 * sin(radians(scene.light_from))
    return (
        f'<radialGradient id="paper" cx="{x:.2f}" cy="{y:.2f}" r="1">'
        '<stop offset="0" stop-color="#fff" stop-opacity="0.5"/>'
        '<stop offset="0.5" stop-color="#fff" stop-opacity="0.08"/>'
        '<stop offset="1" stop-color="#000" stop-opacity="0.05"/></radialGradient>'
        f'<rect {_FULL} fill="url(#paper)"/>'
    )


def _wall(scene: Scene, rng: np.random.Generator) -> str:
    foot = HEIGHT * rng.uniform(0.75, 1.6)
    return _paper(scene, rng) + (
        f'<rect y="{foot:.0f}" {_FULL} fill="{shade(scene.accent, -0.3)}"/>'
        f'<rect y="{foot:.0f}" width="{WIDTH}" height="7" fill="#000" fill-opacity="0.2"/>'
    )


def _door(scene: Scene, rng: np.random.Generator) -> str:
    left = rng.uniform(-0.1, 0.15) * WIDTH
    wide = rng.uniform(0.75, 0.95) * WIDTH
    parts = [
        f'<rect {_FULL} fill="{shade(scene.accent, 0.2)}"/>',
        f'<rect x="{left:.0f}" width="{wide:.0f}" height="{HEIGHT}" fill="{scene.tone}"/>',
        f'<rect x="{left + wide:.0f}" width="9" height="{HEIGHT}" fill="#000" fill-opacity="0.35"/>',
    ]
    for top, tall in ((30, 250), (320, 300)):
        for inset, ink, alpha in ((0, "#000", 0.3), (7, "#fff", 0.25), (13, "#000", 0.16)):
            parts.append(
                f'<rect x="{left + wide * 0.14 + inset:.0f}" y="{top + inset}" '
                f'width="{wide * 0.72 - 2 * inset:.0f}" height="{tall - 2 * inset}" fill="none" '
                f'stroke="{ink}" stroke-width="4" stroke-opacity="{alpha}"/>'
            )
    return "".join(parts)


def _wood(scene: Scene, rng: np.random.Generator) -> str:
    board = rng.uniform(46, 120)
    parts = []
    x = -420.0
    while x < 420:
        y = -420 - rng.uniform(0, 380)
        while y < 420:
            tall = rng.uniform(240, 520)
            tone = shade(scene.tone, rng.normal(0, 0.11))
            parts.append(
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{board:.0f}" height="{tall:.0f}" '
                f'fill="{tone}" stroke="{shade(scene.tone, -0.6)}" stroke-width="1.6"/>'
            )
            y += tall
        x += board
    strength = rng.uniform(0.15, 0.4)
    parts.append(
        f'<image href="{texture("wood", int(rng.integers(3)))}" {_WIDE} '
        f'preserveAspectRatio="none" image-rendering="optimizeSpeed" opacity="{strength:.2f}"/>'
    )
    return _turned(scene, "".join(parts))


def _tiles(scene: Scene, rng: np.random.Generator) -> str:
    t = rng.uniform(130, 300)
    joint = shade(scene.tone, -0.45)
    lines = "".join(f"M-420 {v:.0f}H420M{v:.0f} -420V420" for v in np.arange(-410, 420, t))
    return _turned(
        scene,
        f'<path d="{lines}" stroke="{joint}" stroke-width="{rng.uniform(2, 5):.1f}" fill="none"/>',
    )


def _carpet(scene: Scene, rng: np.random.Generator) -> str:
    size = rng.uniform(120, 260)
    return (
        texture_tile("pile", "pile", size, int(rng.integers(3)))
        + f'<rect {_FULL} fill="url(#pile)" opacity="{rng.uniform(0.15, 0.4):.2f}"/>'
    )


def _sheet(scene: Scene, rng: np.random.Generator) -> str:
    turn = rng.uniform(0, 360)
    return (
        f'<image href="{texture("smooth", int(rng.integers(CREASES)))}" x="-240" y="-180" '
        f'width="960" height="1000" preserveAspectRatio="none" image-rendering="optimizeSpeed" '
        f'transform="rotate({turn:.0f} 240 320)" opacity="{rng.uniform(0.15, 0.7):.2f}"/>'
    )


def _blanket(scene: Scene, rng: np.random.Generator) -> str:
    t = rng.uniform(50, 150)
    if rng.random() < 0.5:
        content = "".join(
            flower(x * t, y * t, t * r, float(rng.uniform(0, 3)), ink, scene.tone, 6)
            for x, y, r, ink in (
                (0.3, 0.3, 0.24, scene.accent),
                (0.75, 0.75, 0.2, mix(scene.accent, "#ffffff", 0.4)),
            )
        )
    else:
        content = "".join(
            f'<rect {side}="{at * t:.1f}" {wide}="{share * t:.1f}" {long}="{t:.1f}" '
            f'fill="{scene.accent}" opacity="0.45"/>'
            for at, share in ((0.1, 0.3), (0.55, 0.08))
            for side, wide, long in (("x", "width", "height"), ("y", "height", "width"))
        )
    return _turned(
        scene,
        f'<pattern id="blanket" width="{t:.1f}" height="{t:.1f}" '
        f'patternUnits="userSpaceOnUse">{content}</pattern>'
        f'<rect {_WIDE} fill="url(#blanket)"/>',
    ) + _sheet(scene, rng)


def _clutter(scene: Scene, rng: np.random.Generator) -> str:
    """Things at the border of the frame: a shoe's shadow, a table's edge, a strip of light."""
    parts = []
    for _ in range(scene.clutter):
        ink = mix(scene.accent, str(rng.choice(["#000000", "#ffffff", "#7a4a2b"])), 0.6)
        at = rng.uniform(0, 360)
        x = WIDTH / 2 + cos(radians(at)) * WIDTH * 0.62
        y = HEIGHT / 2 + sin(radians(at)) * HEIGHT * 0.6
        parts.append(
            f'<rect x="{x - 70:.0f}" y="{y - 60:.0f}" width="{rng.uniform(60, 160):.0f}" '
            f'height="{rng.uniform(60, 160):.0f}" rx="{rng.choice([2, 12, 50])}" fill="{ink}" '
            f'transform="rotate({rng.uniform(0, 90):.0f} {x:.0f} {y:.0f})"/>'
        )
    return "".join(parts)
