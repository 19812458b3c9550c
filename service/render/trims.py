"""Fastenings, pockets, waists and bands that lie on the cloth."""

import numpy as np

from service.render.fabric import Cloth, rib
from service.render.ink import Ink, fill, stroke
from service.render.palette import shade
from service.render.paths import mirror_path, path
from service.render.silhouette import Shape
from service.render.spec import GarmentSpec


def _line(x: float, top: float, bottom: float) -> str:
    return path("M", (x, top), "L", (x, bottom))


def _button(x: float, y: float, r: float, ink: Ink) -> str:
    return (
        f'<circle cx="{x + 1:.1f}" cy="{y + 1.8:.1f}" r="{r}" fill="#000" fill-opacity="0.28"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{ink.button}"/>'
        f'<circle cx="{x - r * 0.2:.1f}" cy="{y - r * 0.25:.1f}" r="{r * 0.6:.1f}" fill="#fff" '
        'fill-opacity="0.2"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r * 0.28:.1f}" fill="#000" fill-opacity="0.45"/>'
    )


def fastening(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    """Buttons, zip, placket or wrap edge down the front."""
    draw = {
        "single": _buttoned,
        "double": _double,
        "zip": _zip,
        "halfzip": _zip,
        "placket": _buttoned,
        "wrap": _wrap,
    }.get(spec.fastening)
    return draw(spec, shape, cloth, ink) if draw else ""


def _front_end(spec: GarmentSpec, shape: Shape) -> float:
    cut = shape.cut
    if cut.crotch:
        return cut.waist[1] - 4
    return cut.hem[1] + (34 if spec.hem == "curved" else 5)


def _buttoned(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    top = shape.cut.neck[1] + shape.cut.front
    bottom = _front_end(spec, shape)
    if spec.category == "Blazer":
        return _cutaway(spec, shape, ink, top)
    if spec.fastening == "placket":
        bottom = top + 92
    if spec.category == "Dress" and spec.motif % 2:
        bottom = shape.cut.waist[1]
    band = path("M", (-11, top), "L", (11, top), "L", (11, bottom), "L", (-11, bottom), "Z")
    if spec.category == "Cardigan":
        parts = [rib(band, spec, 90)]
    else:
        parts = [cloth.panel(band), ink.stitch(_line(-8, top + 4, bottom))]
    parts += [
        stroke(_line(13, top, bottom), "#000", 5, 0.1),
        ink.edge(_line(11, top, bottom)),
        stroke(_line(-11, top, bottom), ink.light, 1, 0.3),
        stroke(path("M", (-11, top), "L", (-11, bottom)), ink.dark, 0.8, 0.4),
    ]
    first, last = top + 14, bottom - (18 if spec.fastening != "placket" else 10)
    for y in np.linspace(first, last, spec.buttons):
        parts.append(_button(0, float(y), 5.6 if spec.category == "Cardigan" else 4.4, ink))
    return "".join(parts)


def _cutaway(spec: GarmentSpec, shape: Shape, ink: Ink, top: float) -> str:
    """The closed front of a jacket: one edge over the other, rounded open at the hem."""
    hem = shape.cut.hem[1]
    gap = path("M", (3, hem - 92), "C", (6, hem - 34), (-2, hem), (-26, hem + 14),
               "L", (32, hem + 14), "C", (14, hem), (8, hem - 30), (3, hem - 92), "Z")  # fmt: skip
    edge = path("M", (3, top), "L", (3, hem - 92), "C", (8, hem - 30), (14, hem), (32, hem + 8))
    parts = [fill(gap, shade(ink.inside, -0.3)), stroke(edge, "#000", 6, 0.1), ink.edge(edge, 1.8)]
    for i in range(spec.buttons):
        parts.append(_button(-7, top + 8 + 50 * i, 6.6, ink))
    return "".join(parts)


def _double(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    top, hem = shape.cut.front, shape.cut.hem[1]
    edge = path("M", (3, top), "Q", (40, top + 14), (44, top + 30), "L", (42, hem + 6))
    parts = [stroke(edge, "#000", 6, 0.1), ink.edge(edge, 1.8)]
    for row in range(spec.buttons // 2):
        for x in (-30, 28):
            parts.append(_button(x, top + 28 + 46 * row, 6.4, ink))
    return "".join(parts)


def _zip(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    cut = shape.cut
    top = cut.neck[1] + cut.front - (30 if spec.collar == "stand" else 0)
    bottom = _front_end(spec, shape) if spec.fastening == "zip" else cut.front + 90
    biker = spec.collar == "biker"
    lines = _line(0, top, bottom)
    if biker:
        top = 148.0
        lines = path("M", (4, top), "L", (-22, bottom))
    tape = shade(spec.colour, -0.5) if spec.motif % 3 else spec.second
    return (
        stroke(lines, tape, 9, 0.85)
        + stroke(lines, ink.metal, 4.4, 0.9, dash="1.8 1.5")
        + ink.seam(_line(-6, top, bottom) if not biker else "M-40 " + f"{bottom} L-40 {bottom}")
        + f'<rect x="-2.6" y="{top + 4:.1f}" width="5.2" height="17" rx="2.4" '
        f'fill="{ink.metal}" stroke="#333" stroke-width="0.6"/>'
    )


def _wrap(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    cut = shape.cut
    low = cut.neck[1] + cut.front
    end = (-cut.waist[0] + 4, cut.waist[1])
    edge = path("M", (cut.neck[0], 0), "Q", (14, low * 0.8), (0, low), "L", end)
    knot = path("M", end, "c 18 10 12 44 22 66 M", end, "c 2 20 -10 40 -4 60")
    return (
        stroke(edge, "#000", 7, 0.12, move=(0, 3))
        + ink.seam(edge)
        + stroke(knot, ink.dark, 8.6, 0.9)
        + stroke(knot, spec.colour, 6.6)
    )


def pockets(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    """The pockets named by the spec, on both sides where garments have two."""
    cut = shape.cut
    w, base = cut.hip[0], cut.hip[1]
    if cut.crotch:
        base = cut.waist[1] + 58
    if spec.pocket == "kangaroo":
        return _kangaroo(spec, shape, cloth, ink)
    if spec.pocket in ("welt", "zip"):
        slit = path("M", (w * 0.52, base - 40), "L", (w * 0.7, base + 12))
        pen = ink.metal if spec.pocket == "zip" else ink.dark
        return "".join(
            stroke(d, ink.dark, 7, 0.55)
            + stroke(d, pen, 2.6, 0.85, dash="1.8 1.5" if pen == ink.metal else "")
            for d in (slit, mirror_path(slit))
        )
    if spec.pocket == "none":
        return ""
    if spec.pocket == "chest":
        y, x1, x2, tall = cut.armpit[1] - 4, w * 0.26, w * 0.7, 52.0
    else:
        y, x1, x2, tall = base - 12, w * 0.36, w * 0.82, 66.0
    tall = min(tall, cut.hem[1] - y - 32)
    bag = path("M", (x1, y), "L", (x2, y), "L", (x2 - 2, y + tall), "Q",
               ((x1 + x2) / 2, y + tall + 8), (x1 + 2, y + tall), "Z")  # fmt: skip
    flap = path("M", (x1 - 2, y - 3), "L", (x2 + 2, y - 3), "L", (x2 + 1, y + 15), "Q",
                ((x1 + x2) / 2, y + 24), (x1 - 1, y + 15), "Z")  # fmt: skip
    parts = []
    for mirrored in (False, True):
        turn = mirror_path if mirrored else str
        if spec.pocket in ("patch", "chest"):
            d = turn(bag)
            parts += [stroke(d, "#000", 5, 0.1), cloth.panel(d), ink.edge(d), ink.stitch(d)]
        if spec.pocket in ("flap", "chest"):
            d = turn(flap)
            parts += [stroke(d, "#000", 5, 0.14), cloth.panel(d), ink.edge(d, 1.6)]
            if spec.pocket == "chest":
                x = (x1 + x2) / 2 * (-1 if mirrored else 1)
                parts.append(_button(x, y + 11, 3.4, ink))
    if spec.category == "Blazer":
        welt = path("M", (42, 128), "L", (84, 122), "L", (85, 131), "L", (43, 137), "Z")
        parts += [cloth.panel(welt), ink.edge(welt, 1.6)]
    return "".join(parts)


def pocket_top(shape: Shape) -> float:
    """The y of the upper edge of a kangaroo pocket."""
    hem = shape.cut.hem[1] - 30
    return hem - 84 * min(1.0, hem / 300)


def _kangaroo(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    hem, top = shape.cut.hem[1] - 30, pocket_top(shape)
    half = path("M", (0, hem), "L", (82, hem), "L", (80, hem - 26), "Q", (58, hem - 40), (50, top),
                "L", (0, top), "Z")  # fmt: skip
    parts = []
    for d in (half, mirror_path(half)):
        parts += [stroke(d, "#000", 6, 0.1), cloth.panel(d)]
    edge = path("M", (82, hem), "L", (80, hem - 26), "Q", (58, hem - 40), (50, top), "L", (0, top))
    for d in (edge, mirror_path(edge)):
        parts += [ink.edge(d, 1.8), ink.stitch(d)]
    return "".join(parts)


def bands(spec: GarmentSpec, shape: Shape, ink: Ink) -> str:
    """Rib at hem and cuffs, or the stitched fold of a plain hem."""
    parts = []
    if spec.hem == "rib":
        if spec.material in ("denim", "cotton"):
            parts.append(ink.seam(shape.hem_band) + ink.stitch(shape.hem_band))
        else:
            parts.append(rib(shape.hem_band, spec))
    return "".join(parts)


def cuffs(spec: GarmentSpec, shape: Shape, ink: Ink) -> str:
    """The ends of the sleeves."""
    ribbed = spec.hem == "rib" and spec.sleeve == "long" and spec.material != "denim"
    parts = []
    for sleeve in shape.sleeves:
        if ribbed:
            parts.append(rib(sleeve.band, spec, sleeve.turn))
        elif spec.sleeve_shape == "set" and spec.category != "Blazer":
            parts.append(stroke(sleeve.band, ink.dark, 1.1, 0.35))
    return "".join(parts)


def waist(spec: GarmentSpec, shape: Shape, cloth: Cloth, ink: Ink) -> str:
    """Waist seam, gathers, belt."""
    if spec.waist == "none":
        return ""
    w, y = shape.cut.waist
    parts = [ink.seam(shape.waist)]
    gathers = 13 if spec.waist in ("elastic", "peplum", "empire") or spec.flare > 0.4 else 0
    for i in range(gathers):
        x = (i / (gathers - 1) - 0.5) * 1.86 * w
        arch = 5.5 * (1 - (x / w) ** 2)
        down = 18 + 13 * ((i * 7 + spec.motif) % 5)
        line = path("M", (x, y + arch), "q", (x * 0.05, down * 0.5), (x * 0.12, down))
        parts.append(stroke(line, ink.dark, 2.4, 0.26))
        if spec.waist == "elastic":
            up = path("M", (x, y + arch), "q", (0, -6), (x * 0.03, -15))
            parts.append(stroke(up, ink.dark, 2.2, 0.26))
    if spec.waist == "belt":
        sash = path("M", (-w - 2, y - 10), "Q", (0, y - 3), (w + 2, y - 10), "L", (w + 2, y + 9),
                    "Q", (0, y + 17), (-w - 2, y + 9), "Z")  # fmt: skip
        tails = path("M", (-8, y + 4), "c", (-10, 24), (-22, 46), (-18, 84), "M", (-4, y + 4), "c",
                     (10, 22), (8, 44), (16, 70))  # fmt: skip
        tone = shade(spec.colour, -0.2)
        parts += [
            stroke(sash, "#000", 5, 0.15),
            fill(sash, tone),
            ink.edge(sash, 1.5),
            stroke(tails, ink.dark, 10, 0.8),
            stroke(tails, tone, 8),
            f'<rect x="-15" y="{y - 7:.1f}" width="21" height="19" rx="7" fill="{tone}" '
            f'stroke="{ink.dark}" stroke-width="1.4"/>',
        ]
    return "".join(parts)
