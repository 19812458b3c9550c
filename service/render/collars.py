"""Everything around the neck: rib, shirt collar, stand, turtleneck, lapels and hood."""

from service.render.fabric import Cloth, rib
from service.render.ink import Ink, fill, stroke
from service.render.palette import shade
from service.render.paths import Point, mirror_path, path
from service.render.silhouette import Shape
from service.render.spec import GarmentSpec


def behind_neck(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    """What lies behind the garment's front: hood or the back half of a standing collar."""
    x = shape.cut.neck[0]
    if spec.collar == "hood":
        outer = path(
            "M", (-x - 26, 22), "C", (-x - 50, -40), (-x - 22, -128), (0, -132),
            "C", (x + 22, -128), (x + 50, -40), (x + 26, 22), "Z",
        )  # fmt: skip
        return cloth.panel(outer) + ink.edge(outer)
    rise = {"stand": 34, "biker": 18, "shirt": 14, "notch": 15, "peak": 15, "shawl": 8}.get(
        spec.collar, 20 if spec.neckline == "turtle" else 0
    )
    if rise:
        band = path(
            "M", (-x - 4, 6), "L", (-x + 3, -rise), "Q", (0, -rise - 7), (x - 3, -rise),
            "L", (x + 4, 6), "Q", (0, 30), (-x - 4, 6), "Z",
        )  # fmt: skip
        return cloth.panel(band, tint=ink.inside) + ink.edge(band)
    return ""


def around_neck(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    """The collar or neck finish that lies on the front."""
    finish = {
        "rib": _rib,
        "hood": _hood,
        "shirt": _shirt,
        "stand": _stand,
        "biker": _biker,
        "notch": _lapels,
        "peak": _lapels,
        "shawl": _lapels,
    }.get(spec.collar)
    if finish:
        return finish(spec, shape, cloth, ink)
    if spec.neckline == "turtle":
        return _turtle(spec, shape, ink)
    return stroke(shape.neckline, ink.dark, 5.5, 0.3) + ink.stitch(shape.neckline)


def _pair(right: str, cloth: Cloth, ink: Ink, turn: float, tint: str = "") -> str:
    """A collar leaf on both sides, each with a soft shadow below it."""
    parts = []
    for data, angle in ((mirror_path(right), -turn), (right, turn)):
        parts.append(stroke(data, "#000", 7, 0.1, move=(0, 3)))
        parts.append(cloth.panel(data, angle, tint))
        parts.append(ink.edge(data, 1.5))
    return "".join(parts)


def _rib(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    width = 15 if spec.category in ("Sweater", "Cardigan", "Jacket") else 9
    band = shade(spec.colour, -0.14) if spec.motif % 4 else spec.second
    line = shape.neckline
    if spec.fastening == "open":
        return ""
    x, y = shape.cut.neck
    rear = path("M", (-x, y), "Q", (0, y + 2 * shape.cut.back), (x, y))
    return (
        stroke(rear, shade(band, -0.25), width, cap="butt")
        + stroke(rear, ink.dark, width, 0.25, dash="1.5 4")
        + stroke(line, "#000", width + 5, 0.1, move=(0, 2.5), cap="butt")
        + stroke(line, ink.dark, width + 1.6, 0.55, cap="butt")
        + stroke(line, band, width, cap="butt")
        + stroke(line, ink.dark, width, 0.22, dash="1.5 4")
    )


def _turtle(spec: GarmentSpec, shape: Shape, ink: Ink) -> str:
    x = shape.cut.neck[0] + 3
    band = path(
        "M", (-x, 12), "C", (-x + 2, -8), (-x + 6, -24), (-x + 5, -44), "Q", (0, -52), (x - 5, -44),
        "C", (x - 6, -24), (x - 2, -8), (x, 12), "Q", (0, 26), (-x, 12), "Z",
    )  # fmt: skip
    fold = path("M", (-x + 1, -4), "Q", (0, 10), (x - 1, -4))
    shadow = stroke(path("M", (-x, 14), "Q", (0, 30), (x, 14)), "#000", 8, 0.16)
    return shadow + rib(band, spec) + ink.seam(fold)


def _hood(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    x = shape.cut.neck[0]
    opening = path(
        "M", (0, 46), "C", (-x * 0.9, 26), (-x - 18, -20), (-x - 4, -62),
        "C", (-x * 0.6, -112), (x * 0.6, -112), (x + 4, -62),
        "C", (x + 18, -20), (x * 0.9, 26), (0, 46), "Z",
    )  # fmt: skip
    rim = path(
        "M", (-x - 26, 22), "C", (-x - 42, -14), (-x - 40, -56), (-x - 20, -80),
        "C", (-x - 26, -30), (-x * 0.8, 20), (8, 54),
        "C", (-20, 52), (-x, 42), (-x - 26, 22), "Z",
    )  # fmt: skip
    parts = [
        fill(opening, ink.inside),
        fill(opening, "#000", 0.22),
        stroke(path("M", (0, -100), "Q", (3, -60), (0, -20)), ink.dark, 1.6, 0.5),
    ]
    for data in (rim, mirror_path(rim)):
        parts += [cloth.panel(data), ink.edge(data, 1.5)]
    parts.append(stroke(opening, ink.light, 1.2, 0.4) + ink.edge(opening))
    if spec.category == "Hoodie" or spec.motif % 2:
        cord = "#f2efe8" if spec.motif % 3 else ink.dark
        for side, drop in ((-1, 118), (1, 104)):
            line = path(
                "M", (side * 17, 40), "C", (side * 26, 62), (side * 15, 84), (side * 21, drop)
            )
            parts.append(stroke(line, "#000", 4.5, 0.2, move=(1.5, 2)))
            parts.append(stroke(line, cord, 3.4))
            parts.append(f'<circle cx="{side * 17}" cy="40" r="3.4" fill="{ink.metal}"/>')
    return "".join(parts)


def _shirt(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    x, low = shape.cut.neck[0], shape.cut.front
    leaf = path(
        "M", (1, low + 2), "C", (x * 0.5, low - 4), (x - 3, 6), (x - 5, -14),
        "Q", (x + 10, -8), (x + 13, 9), "L", (x * 0.86, low + 40),
        "Q", (x * 0.5, low + 22), (1, low + 2), "Z",
    )  # fmt: skip
    tint = shade(spec.colour, 0.04) if spec.pattern == "block" else ""
    return _pair(leaf, cloth, ink, 24, tint) + ink.stitch(
        path("M", (x + 7, 8), "L", (x * 0.84, low + 33))
    )


def _stand(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    x, low = shape.cut.neck[0], shape.cut.front
    leaf = path(
        "M", (1, low + 8), "Q", (x * 0.8, low - 2), (x + 6, 7), "L", (x - 1, -30),
        "Q", (x * 0.6, -18), (7, low - 36), "Z",
    )  # fmt: skip
    return _pair(leaf, cloth, ink, 12)


def _biker(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    x = shape.cut.neck[0]
    lapel = path(
        "M", (4, 150), "C", (14, 90), (x * 0.7, 40), (x - 4, -8), "L", (x + 12, 14),
        "L", (x + 30, 58), "Q", (x + 16, 110), (4, 150), "Z",
    )  # fmt: skip
    leaf = path(
        "M", (x * 0.62, 42), "Q", (x - 4, 16), (x - 4, -16), "L", (x + 14, 2),
        "L", (x + 32, 44), "Z",
    )  # fmt: skip
    studs = "".join(
        f'<circle cx="{s * cx:.0f}" cy="{cy}" r="3" fill="{ink.metal}"/>'
        for s in (-1, 1)
        for cx, cy in ((x + 22, 60), (x + 21, 40))
    )
    return _pair(lapel, cloth, ink, 15) + _pair(leaf, cloth, ink, 20) + studs


def _lapels(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    x, low = shape.cut.neck[0], shape.cut.front
    roll: list[Point | str] = ["M", (3, low), "Q", (x * 0.66, low * 0.52), (x - 2, -6)]
    if spec.collar == "shawl":
        leaf = path(*roll, "L", (x + 13, 8), "C", (x + 38, 70), (x + 26, low * 0.62), (3, low), "Z")
        satin = shade(spec.colour, -0.3) if spec.motif % 2 else ""
        return _pair(leaf, cloth, ink, 16, satin)
    tip = (x + 47, 74) if spec.collar == "notch" else (x + 56, 54)
    lapel = path(
        *roll, "L", (x + 18, 44), "L", (x + 30, 66) if spec.collar == "notch" else (x + 28, 68),
        "L", tip, "C", (x + 36, low * 0.66), (x * 0.8, low * 0.86), (3, low), "Z",
    )  # fmt: skip
    leaf = path(
        "M", (x * 0.86, 42), "Q", (x - 3, 16), (x - 6, -16), "Q", (x + 10, -10), (x + 16, 8),
        "L", (x + 40, 52), "L", (x + 29, 66), "L", (x * 0.86, 42), "Z",
    )  # fmt: skip
    velvet = shade(spec.colour, -0.4) if spec.motif % 9 == 0 else ""
    return _pair(lapel, cloth, ink, 14) + _pair(leaf, cloth, ink, 28, velvet)
