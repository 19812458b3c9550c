"""Puts a garment together from its panels, back to front."""

from dataclasses import dataclass

from service.render.collars import around_neck, behind_neck
from service.render.fabric import Cloth
from service.render.ink import Ink, fill, stroke
from service.render.motif import chest_print
from service.render.palette import shade
from service.render.paths import Point, mirror, mirror_path, path
from service.render.prints import sleeves_differ
from service.render.scene import Scene
from service.render.silhouette import Shape
from service.render.sleeves import armhole
from service.render.spec import GarmentSpec
from service.render.trims import bands, cuffs, fastening, pocket_top, pockets, waist


@dataclass(frozen=True)
class Garment:
    """SVG of one garment in units of cloth.

    `behind` lies under the cloth (hanger, hood, back), `content` is the cloth that folds and
    creases are laid on; `extent` holds the outlines that decide its size, `solid` those that
    throw a shadow.
    """

    behind: str
    content: str
    extent: list[str]
    solid: list[str]


def draw_garment(spec: GarmentSpec, shape: Shape, scene: Scene) -> Garment:
    """All layers of the garment in the shape's pose."""
    ink = Ink.of(spec)
    cloth = Cloth(spec, shape.cut.hem[1])
    behind = [_hanger(shape) if scene.hanger else "", behind_neck(spec, shape, cloth, ink)]
    behind.append(_straps(spec, shape, ink, back=True))
    sleeves = _sleeves(spec, shape, cloth, ink) + cuffs(spec, shape, ink)
    # Short sleeves end inside the armpit; the body hides that end.
    tucked = spec.sleeve in ("cap", "short") and spec.sleeve_shape != "raglan"
    content = [
        _inside(spec, shape, cloth, ink),
        sleeves if tucked else "",
        *(_panel(d, cloth, ink) for d in (shape.fronts or (shape.body,))),
        waist(spec, shape, cloth, ink),
        _print(spec, shape),
        _edges(spec, shape, ink),
        bands(spec, shape, ink),
        "" if tucked else sleeves,
        pockets(spec, shape, cloth, ink),
        fastening(spec, shape, cloth, ink),
        around_neck(spec, shape, cloth, ink),
        _straps(spec, shape, ink, back=False),
    ]
    solid = shape.outlines()
    x, _ = shape.cut.neck
    if spec.collar == "hood":
        solid.append(
            path("M", (-x - 28, 20), "C", (-x - 40, -90), (-x, -132), (0, -132),
                 "C", (x, -132), (x + 40, -90), (x + 28, 20), "Z")
        )  # fmt: skip
    elif spec.neckline == "turtle" or spec.collar == "stand":
        solid.append(path("M", (-x, 10), "L", (-x, -46), "L", (x, -46), "L", (x, 10), "Z"))
    strap = [path("M", (x - 14, 0))] if spec.strap == "thin" else []
    return Garment(cloth.defs + "".join(behind), "".join(content), solid + strap, solid)


def _panel(outline: str, cloth: Cloth, ink: Ink, turn: float = 0.0) -> str:
    return cloth.panel(outline, turn) + ink.edge(outline)


def _inside(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    """The inside of the back, with a label at the neck."""
    back = shape.body + shape.back if shape.fronts else shape.back
    lining = ink.inside
    if spec.category == "Blazer" and spec.motif % 3 == 0:
        lining = shade(spec.second, -0.3)
    x, y = shape.cut.neck
    low = y + shape.cut.back
    parts = [cloth.panel(back, tint=lining), stroke(shape.back, ink.dark, 1.2, 0.5)]
    if shape.fronts:
        parts.append(fill(back, "#000", 0.12))
    rim = path("M", (-x, y), "Q", (0, y + 2 * shape.cut.back), (x, y))
    parts.append(stroke(rim, ink.base, 7, 0.9) + stroke(rim, ink.dark, 1, 0.5))
    if shape.cut.front > 24 and spec.strap == "none":
        parts.append(
            f'<rect x="-11" y="{low + 4:.1f}" width="22" height="11" rx="1" fill="#f2efe9"/>'
            f'<rect x="-7" y="{low + 8:.1f}" width="14" height="2" fill="#555" fill-opacity="0.6"/>'
        )
    return "".join(parts)


def _sleeves(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    parts = []
    for sleeve in shape.sleeves:
        parts.append(stroke(sleeve.outline, "#000", 7, 0.06))
        if sleeves_differ(spec):
            parts.append(cloth.panel(sleeve.outline, tint=spec.second) + ink.edge(sleeve.outline))
        else:
            parts.append(_panel(sleeve.outline, cloth, ink, sleeve.turn))
        parts.append(ink.seam(sleeve.armhole))
        if spec.sleeve_shape in ("puff", "flutter", "bell"):
            parts.append(_gathers(spec, sleeve.axis, shape, ink, sleeve.side))
    return "".join(parts)


def _gathers(
    spec: GarmentSpec, axis: tuple[Point, Point, Point], shape: Shape, ink: Ink, side: int
) -> str:
    """Lines that fan out where gathered cloth meets the shoulder and the cuff."""
    root, elbow, wrist = axis
    s = shape.cut.shoulder
    parts = []
    for k in range(6):
        share = k / 5
        x = side * (s[0] + (shape.cut.armpit[0] - s[0]) * share * 0.6)
        y = s[1] + (shape.cut.armpit[1] - s[1]) * share * 0.7
        to = (x + (elbow[0] - root[0]) * 0.55, y + (elbow[1] - root[1]) * 0.42)
        parts.append(stroke(path("M", (x, y), "L", to), ink.dark, 2.0, 0.22))
    if spec.sleeve_shape == "puff":
        for k in range(5):
            x = wrist[0] + (k - 2) * 8
            up = (x + (elbow[0] - wrist[0]) * 0.25 + (k - 2) * 5,
                  wrist[1] + (elbow[1] - wrist[1]) * 0.3)  # fmt: skip
            parts.append(stroke(path("M", (x, wrist[1] - 2), "L", up), ink.dark, 2.0, 0.24))
    return "".join(parts)


def _print(spec: GarmentSpec, shape: Shape) -> str:
    if spec.pattern != "graphic":
        return ""
    top = shape.cut.neck[1] + shape.cut.front + 26
    bottom = pocket_top(shape) if spec.pocket == "kangaroo" else shape.cut.hem[1] - 20
    return chest_print(spec, shape.cut.waist[0] * 2, max(top, 72), bottom - 8)


def _edges(spec: GarmentSpec, shape: Shape, ink: Ink) -> str:
    """Hem stitching, armhole binding, centre seam of trousers and ruffles."""
    cut = shape.cut
    parts = []
    if not shape.sleeves and spec.strap != "thin":
        hole = path("M", cut.shoulder) + armhole(cut, True)
        for data in (hole, mirror_path(hole)):
            parts.append(stroke(data, ink.dark, 5, 0.3) + ink.stitch(data))
    if cut.crotch:
        parts.append(ink.seam(path("M", (0, cut.waist[1] + 6), "L", (0, cut.crotch))))
        for side in (-1, 1):
            x, y = cut.hem[0] * side, cut.hem[1] - 9
            parts.append(ink.stitch(path("M", (x, y), "L", (16 * side, y + 3))))
    elif spec.hem == "ruffle":
        x, y = cut.hem[0] * (0.97 - 0.09 * spec.flare), cut.hem[1] - 42
        line = path("M", (-x, y), "Q", (0, y + 16), (x, y))
        parts.append(ink.seam(line))
        for k in range(15):
            at = (k / 14 - 0.5) * 1.94 * x
            parts.append(
                stroke(
                    path("M", (at, y + 7), "l", (at * 0.03, 20 + 6 * (k % 3))), ink.dark, 2, 0.28
                )
            )
    elif spec.hem == "plain" and spec.fastening != "open":
        x, y = cut.hem[0], cut.hem[1] - 9
        sag = 2 * (5 + 12 * spec.flare)
        parts.append(ink.stitch(path("M", (-x, y), "Q", (0, y + sag), (x, y))))
    if spec.strap == "off":
        x, y = cut.neck
        for k in range(21):
            at = (k / 20 - 0.5) * 1.96 * x
            parts.append(stroke(path("M", (at, y + 4), "l", (0, 14)), ink.dark, 1.8, 0.3))
    return "".join(parts)


def _straps(spec: GarmentSpec, shape: Shape, ink: Ink, back: bool) -> str:
    """Thin shoulder straps; the back half runs behind the cloth."""
    if spec.strap != "thin":
        return ""
    x, y = shape.cut.neck
    front = path("M", (x - 3, y + 3), "C", (x - 2, y * 0.6), (x - 8, y * 0.2), (x - 13, 0))
    rear = path("M", (x - 13, 0), "C", (x - 22, y * 0.3), (x - 20, y * 0.7), (x - 24, y + 14))
    parts = []
    for data in (rear, mirror_path(rear)) if back else (front, mirror_path(front)):
        parts.append(stroke(data, ink.dark, 6.2, 0.9))
        parts.append(stroke(data, ink.inside if back else ink.base, 4.6))
    return "".join(parts)


def _hanger(shape: Shape) -> str:
    """A hanger whose arms end inside the shoulders."""
    s = shape.cut.shoulder
    arm = path("M", mirror((s[0] * 0.8, s[1] + 6)), "Q", (-20, -8), (0, -18), "Q", (20, -8),
               (s[0] * 0.8, s[1] + 6))  # fmt: skip
    hook = path("M", (0, -18), "L", (0, -42), "C", (0, -56), (26, -56), (24, -76), "C", (22, -94),
                (-8, -94), (-10, -78))  # fmt: skip
    return (
        stroke(hook, "#000", 6, 0.15, move=(4, 5))
        + stroke(hook, "#8d9096", 4)
        + stroke(arm, "#2b2623", 11)
        + stroke(arm, "#5b5350", 4, 0.7, move=(0, -2))
    )
