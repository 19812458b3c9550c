"""Light on cloth: folds, creases, rounded edges and cast shadow."""

from math import atan2, cos, degrees, hypot, radians, sin

import numpy as np

from service.render.palette import luma
from service.render.paths import Point, between, bounds, mirror
from service.render.scene import Scene
from service.render.silhouette import Shape
from service.render.spec import GarmentSpec
from service.render.textures import CREASES, texture

# A unit fold along x from 0 to 1: a lit lip above the crease, a shadow that fades out below.
_FOLD = (
    '<linearGradient id="lip" x1="0" y1="0" x2="0" y2="1">'
    '<stop offset="0" stop-color="#fff" stop-opacity="0"/>'
    '<stop offset="1" stop-color="#fff" stop-opacity="0.3"/></linearGradient>'
    '<linearGradient id="dip" x1="0" y1="0" x2="0" y2="1">'
    '<stop offset="0" stop-color="#000" stop-opacity="0.5"/>'
    '<stop offset="0.35" stop-color="#000" stop-opacity="0.26"/>'
    '<stop offset="1" stop-color="#000" stop-opacity="0"/></linearGradient>'
    '<g id="fold"><path d="M0 0C0.3 -0.7 0.7 -1 1 0Q0.5 -0.1 0 0Z" fill="url(#lip)"/>'
    '<path d="M0 0C0.3 1 0.7 1.3 1 0Q0.5 -0.1 0 0Z" fill="url(#dip)"/></g>'
)
_GLOSS = {"leather": 1.7, "silk": 1.25, "nylon": 1.25, "velvet": 1.15, "puffer": 0.6, "wool": 0.7,
          "tweed": 0.6, "denim": 0.8, "fleece": 0.8, "knit": 0.6, "cable": 0.45,
          "rib": 0.5}  # fmt: skip


_FUZZY = ("wool", "denim", "fleece", "linen", "knit", "velvet")


def _fold(a: Point, b: Point, width: float, opacity: float) -> str:
    dx, dy = b[0] - a[0], b[1] - a[1]
    return (
        f'<use href="#fold" fill-opacity="{opacity:.2f}" transform="translate({a[0]:.1f} {a[1]:.1f}) '
        f'rotate({degrees(atan2(dy, dx)):.1f}) scale({hypot(dx, dy):.1f} {width:.1f})"/>'
    )


def _folds(spec: GarmentSpec, shape: Shape, rng: np.random.Generator) -> str:
    """Folds where cloth pulls: armpits, elbows, waist, skirt and trouser legs."""
    cut = shape.cut
    parts = []

    def fold(a: Point, b: Point, width: float, opacity: float) -> None:
        a = (a[0] + rng.normal(0, 5), a[1] + rng.normal(0, 5))
        b = (b[0] + rng.normal(0, 12), b[1] + rng.normal(0, 12))
        parts.append(_fold(a, b, width * rng.uniform(0.9, 2.4), opacity * rng.uniform(0.5, 1.3)))

    for flip in (mirror, lambda p: p):
        arm = cut.armpit
        for k in range(3):
            inner = (arm[0] * (0.62 - 0.2 * k), arm[1] + 30 + 34 * k)
            fold(flip((arm[0] - 6, arm[1] + 6 * k)), flip(inner), 9, 0.5)
        for k in range(2):
            y = cut.waist[1] + 40 * k - 10
            fold(
                flip((cut.waist[0], y)), flip((cut.waist[0] * 0.35, y + rng.normal(18, 14))), 9, 0.4
            )
    for sleeve in shape.sleeves:
        root, elbow, wrist = sleeve.axis
        across = 26.0
        if spec.sleeve in ("long", "elbow"):
            for share in (0.55, 0.8, 1.0):
                at = between(root, elbow, share)
                fold((at[0] - across, at[1] - 12), (at[0] + across, at[1] + 10), 9, 0.5)
            for share in (0.3, 0.65, 0.85):
                at = between(elbow, wrist, share)
                fold((at[0] + across * 0.7, at[1] - 8), (at[0] - across * 0.7, at[1] + 10), 8, 0.45)
            fold(between(root, elbow, 0.1), between(root, elbow, 0.95), 13, 0.35)
        else:
            fold(between(root, wrist, 0.1), between(root, wrist, 1.0), 10, 0.4)
    low = cut.hem[1]
    if cut.crotch:
        for side in (-1, 1):
            fold((side * 8, cut.crotch - 4), (side * cut.hip[0] * 0.7, cut.crotch - 40), 10, 0.6)
            fold((side * 10, cut.crotch + 8), (side * cut.hem[0] * 0.5, cut.crotch + 70), 10, 0.5)
            for share in (0.35, 0.7):
                x = side * cut.hem[0] * share
                fold((x, low), (x * 0.85, cut.crotch - 20), 11, 0.45)
    elif spec.category == "Dress" or spec.flare > 0.25:
        count = 5 + int(6 * spec.flare)
        for k in range(count):
            share = (k + rng.uniform(0.2, 0.8)) / count * 1.8 - 0.9
            top = cut.waist[1] + rng.uniform(8, 60)
            fold((share * cut.hem[0], low + 8), (share * cut.waist[0], top), 12, 0.6)
    else:
        for _ in range(4):
            x = rng.uniform(-0.7, 0.7) * cut.hem[0]
            fold((x, low - rng.uniform(10, 40)), (x * 0.9, cut.armpit[1] + 40), 13, 0.28)
    return "".join(parts)


def _rims(shape: Shape) -> str:
    """Cloth turns away from the light at its edges: strokes that are clipped to the inside."""
    edges = [s.outline for s in shape.sleeves] + [shape.body]
    return "".join(
        f'<path d="{d}" fill="none" stroke="#000" stroke-width="{width}" stroke-opacity="{alpha}"/>'
        for d in edges
        for width, alpha in ((26, 0.045), (13, 0.06), (5, 0.09))
    )


def shading(spec: GarmentSpec, shape: Shape, scene: Scene) -> str:
    """Creases, folds and edges over a drawn garment, within its outlines."""
    rng = np.random.default_rng(scene.seed + 2)
    left, top, right, bottom = bounds(shape.outlines())
    fleck = spec.pattern == "melange" or spec.material == "tweed"
    surface = "flecked" if fleck else "fuzzy" if spec.material in _FUZZY else "smooth"
    gloss = _GLOSS.get(spec.material, 1.0)
    clip = "".join(f'<path d="{d}"/>' for d in shape.outlines())
    reach = 1.5 * max(right - left, (bottom - top) * 0.8)
    x, y = (left + right) / 2, (top + bottom) / 2
    creases = (
        f'<image href="{texture(surface, scene.seed % CREASES)}" x="{x - reach / 2:.0f}" '
        f'y="{y - reach * 0.66:.0f}" width="{reach:.0f}" height="{reach * 1.33:.0f}" '
        f'preserveAspectRatio="none" image-rendering="optimizeSpeed" '
        f'transform="rotate({scene.light_from - 215:.0f} {x:.0f} {y:.0f})"/>'
    )
    # White cloth would only get dirty and black cloth would turn grey at full strength.
    tame = 0.62 if luma(spec.colour) > 0.8 else 0.8
    return (
        f'{_FOLD}<clipPath id="cloth">{clip}</clipPath>'
        f'<g clip-path="url(#cloth)">'
        f'<g opacity="{min(0.95, scene.wrinkle * gloss * tame):.2f}">{creases}</g>'
        f'<g opacity="{min(1, 0.35 + 0.55 * scene.wrinkle) * tame:.2f}">'
        f"{_folds(spec, shape, rng)}</g>{_rims(shape)}</g>"
    )


def cast_shadow(paths: list[str], scene: Scene) -> str:
    """The shadow that the garment throws on what lies behind it."""
    reach = 9.0 if not scene.hanger else 20.0
    dx = -reach * cos(radians(scene.light_from))
    dy = -reach * sin(radians(scene.light_from))
    soft = 7.0 if not scene.hanger else 12.0
    left, top, right, bottom = bounds(paths)
    shapes = "".join(f'<path d="{d}"/>' for d in paths)
    return (
        f'<filter id="shadow" filterUnits="userSpaceOnUse" x="{left - 50:.0f}" '
        f'y="{top - 50:.0f}" width="{right - left + 100:.0f}" height="{bottom - top + 100:.0f}">'
        f'<feGaussianBlur stdDeviation="{soft}"/></filter>'
        f'<g filter="url(#shadow)" opacity="{scene.shadow:.2f}" fill="#0c0a10" '
        f'transform="translate({dx:.1f} {dy:.1f})">{shapes}</g>'
    )
