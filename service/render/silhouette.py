"""Outlines of a garment's panels, laid out in the pose of one picture."""

from dataclasses import dataclass

import numpy as np

from service.render.measures import Cut, measure
from service.render.paths import Point, between, mirror, mirror_path, path, smooth
from service.render.sleeves import Sleeve, armhole, sleeve
from service.render.spec import GarmentSpec


@dataclass(frozen=True)
class Shape:
    """All outlines of one posed garment, in units of `measures`.

    `body` is the front, `back` the inside of the back that shows through the neckline, `fronts`
    the two halves of an open front (empty when closed), `neckline` an open line from left to
    right, `waist` an open line, `hem_band` a closed band along the hem.
    """

    cut: Cut
    body: str
    back: str
    fronts: tuple[str, ...]
    sleeves: tuple[Sleeve, ...]
    neckline: str
    waist: str
    hem_band: str

    def outlines(self) -> list[str]:
        """Closed outlines that cover the cloth."""
        return [*(s.outline for s in self.sleeves), self.back, self.body]


def lay_out(spec: GarmentSpec, spread: float, bend: float, slump: float, seed: int) -> Shape:
    """The garment's outlines in a pose.

    spread: 0 for sleeves hanging down to 1 for stretched sideways; bend: degrees by which the
    forearms turn inwards; slump: sideways disorder in units of cloth; seed: draws the disorder.
    """
    rng = np.random.default_rng(seed)
    cut = measure(spec)
    shift = rng.normal(0, slump, 8)
    neckline = _neckline(cut, spec)
    right = _flank(cut, spec, shift[:4])
    left = _flank(cut, spec, -shift[4:])
    body = _body(cut, spec, neckline, right, left, rng)
    sleeves: tuple[Sleeve, ...] = ()
    if cut.sleeve:
        lean = rng.normal(0, 1.4 * slump, 4)
        sleeves = tuple(
            sleeve(cut, spec, side, spread, bend + lean[i], lean[i + 2])
            for i, side in enumerate((-1, 1))
        )
    return Shape(
        cut=cut,
        body=body,
        back=_back(cut, right, left),
        fronts=_fronts(cut, spec, right, left) if spec.fastening == "open" else (),
        sleeves=sleeves,
        neckline=neckline,
        waist=path("M", mirror(left[1]), "Q", (0.0, right[1][1] + 7), right[1]),
        hem_band=_hem_band(cut, right, left),
    )


def _neckline(cut: Cut, spec: GarmentSpec) -> str:
    x, y = cut.neck
    low = y + cut.front
    start = path("M", (-x, y))
    if spec.collar in ("notch", "peak", "shawl") or spec.neckline == "v":
        return start + path(
            "Q", (-x * 0.62, between((0, y), (0, low), 0.55)[1]), (0, low),
            "Q", (x * 0.62, between((0, y), (0, low), 0.55)[1]), (x, y),
        )  # fmt: skip
    if spec.neckline == "square":
        return start + path(
            "Q", (-x * 0.93, y + cut.front * 0.6), (-x * 0.86, low),
            "Q", (0, low + 5), (x * 0.86, low), "Q", (x * 0.93, y + cut.front * 0.6), (x, y),
        )  # fmt: skip
    if spec.neckline == "sweetheart":
        return start + path(
            "C", (-x * 0.75, y - 22), (-x * 0.2, y - 14), (0, low),
            "C", (x * 0.2, y - 14), (x * 0.75, y - 22), (x, y),
        )  # fmt: skip
    round_ = 0.95 if spec.neckline in ("crew", "scoop") else 0.5
    return start + path(
        "C", (-x * round_, y + cut.front * 0.72), (-x * 0.5, low), (0, low),
        "C", (x * 0.5, low), (x * round_, y + cut.front * 0.72), (x, y),
    )  # fmt: skip


def _flank(cut: Cut, spec: GarmentSpec, shift: np.ndarray) -> tuple[Point, Point, Point, Point]:
    """Armpit, waist, hip and hem of the right side."""
    ease = shift if spec.legs == "none" else shift * 0.5
    return (
        (cut.armpit[0] + ease[0] * 0.3, cut.armpit[1]),
        (cut.waist[0] + ease[1] * 0.7, cut.waist[1]),
        (cut.hip[0] + ease[2], cut.hip[1]),
        (cut.hem[0] + ease[3] * 1.2, cut.hem[1] + ease[0] * 0.8),
    )


def _body(
    cut: Cut,
    spec: GarmentSpec,
    neckline: str,
    right: tuple[Point, ...],
    left: tuple[Point, ...],
    rng: np.random.Generator,
) -> str:
    down_right = _side(cut, right, not cut.sleeve)
    down_left = _side(cut, left, not cut.sleeve)
    hem = _hem(cut, spec, right[3], mirror(left[3]), rng)
    return neckline + down_right + hem + _reverse_to_neck(mirror_path(down_left), cut)


def _side(cut: Cut, flank: tuple[Point, ...], sleeveless: bool) -> str:
    """From the neck's right end over shoulder and armpit down to the hem."""
    armpit, waist, hip, hem = flank
    s = cut.shoulder
    first = path("Q", between(cut.neck, s, 0.5), s) + armhole(cut, sleeveless)
    return first + smooth([armpit, waist, hip, hem])


def _reverse_to_neck(side: str, cut: Cut) -> str:
    """A left side drawn neck to hem, reversed so that it climbs from hem to neck and closes."""
    tokens = side.replace("C", " C ").replace("Q", " Q ").split()
    points: list[Point] = [mirror(cut.neck)]
    kinds: list[str] = []
    i = 0
    while i < len(tokens):
        kind = tokens[i]
        count = {"C": 3, "Q": 2}[kind]
        numbers = [float(n) for n in tokens[i + 1 : i + 1 + 2 * count]]
        points += list(zip(numbers[::2], numbers[1::2], strict=True))
        kinds.append(kind)
        i += 1 + 2 * count
    parts = []
    points.reverse()
    at = 1
    for kind in reversed(kinds):
        count = {"C": 3, "Q": 2}[kind]
        parts.append(path(kind, *points[at : at + count]))
        at += count
    return " ".join(parts) + "Z"


def _hem(cut: Cut, spec: GarmentSpec, right: Point, left: Point, rng: np.random.Generator) -> str:
    """From the right end of the hem to the left end."""
    if cut.crotch:
        inner = 14.0 if spec.legs == "long" else 12.0
        crotch = (0.0, cut.crotch)
        return path(
            "Q", between(right, (inner, right[1]), 0.5), (inner, right[1] + 3),
            "Q", (inner * 0.5, cut.crotch + 40), crotch,
            "Q", (-inner * 0.5, cut.crotch + 40), (-inner, left[1] + 3),
            "Q", between(left, (-inner, left[1]), 0.5), left,
        )  # fmt: skip
    if spec.hem == "curved":
        return path(
            "C", (right[0] * 0.8, right[1] + 46), (60, right[1] + 40), (0, right[1] + 34),
            "C", (-60, left[1] + 40), (left[0] * 0.8, left[1] + 46), left,
        )  # fmt: skip
    wave = 3.0 + 9.0 * spec.flare if spec.hem != "rib" else 0.8
    sag = 5.0 + 12.0 * spec.flare
    count = 9 if spec.flare > 0.3 else 5
    points = [right]
    for i in range(1, count):
        x, y = between(right, left, i / count)
        arch = 4 * (i / count) * (1 - i / count)
        points.append((x, y + sag * arch + wave * (1 if i % 2 else -1) * rng.uniform(0.2, 0.8)))
    return smooth([*points, left])


def _hem_band(cut: Cut, right: tuple[Point, ...], left: tuple[Point, ...]) -> str:
    r, lft = right[3], mirror(left[3])
    depth = 26.0
    return path(
        "M", (r[0] + 1, r[1] - depth), "L", (r[0] - 3, r[1] + 1), "Q", (0, r[1] + 9),
        (lft[0] + 3, lft[1] + 1), "L", (lft[0] - 1, lft[1] - depth), "Q", (0, r[1] - depth + 8),
        (r[0] + 1, r[1] - depth), "Z",
    )  # fmt: skip


def _back(cut: Cut, right: tuple[Point, ...], left: tuple[Point, ...]) -> str:
    """The inside of the back: a little narrower than the front, cut high at the neck."""
    x, y = cut.neck
    a, b = right[0], mirror(left[0])
    w, v = right[1], mirror(left[1])
    return path(
        "M", (-x, y), "Q", (0, y + 2 * cut.back), (x, y), "L", cut.shoulder,
        "L", (a[0] - 3, a[1]), "L", (w[0] - 4, w[1]), "L", (v[0] + 4, v[1]),
        "L", (b[0] + 3, b[1]), "L", mirror(cut.shoulder), "Z",
    )  # fmt: skip


def _fronts(
    cut: Cut, spec: GarmentSpec, right: tuple[Point, ...], left: tuple[Point, ...]
) -> tuple[str, ...]:
    """Left and right half of an open front, each with a draped inner edge."""
    halves = []
    for side, flank in ((-1, left), (1, right)):
        hem = flank[3]
        drop = 14.0 if spec.category == "Cardigan" else 2.0
        data = (
            path("M", cut.neck)
            + _side(cut, flank, not cut.sleeve)
            + path(
                "Q", (hem[0] * 0.6, hem[1] + 4), (hem[0] * 0.22, hem[1] + drop),
                "C", (hem[0] * 0.08, hem[1] * 0.7), (cut.neck[0] * 0.2, cut.armpit[1] * 1.3),
                (cut.neck[0] * 0.55, cut.armpit[1] * 0.6),
                "Q", (cut.neck[0] * 0.9, 30), cut.neck, "Z",
            )
        )  # fmt: skip
        halves.append(mirror_path(data) if side < 0 else data)
    return tuple(halves)
