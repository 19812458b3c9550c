"""Outlines of sleeves in the pose of one picture."""

from dataclasses import dataclass
from math import cos, radians, sin

from service.render.measures import Cut
from service.render.paths import Point, between, mirror, mirror_path, path, smooth
from service.render.spec import GarmentSpec


@dataclass(frozen=True)
class Sleeve:
    """One sleeve: outline, armhole seam, band at the cuff, and its direction in degrees.

    `turn` is the direction of the upper arm measured from straight down, positive to the right;
    `cuff` holds the outer and inner end, `axis` shoulder, elbow and wrist.
    """

    outline: str
    armhole: str
    band: str
    turn: float
    side: int
    axis: tuple[Point, Point, Point]


def armhole(cut: Cut, sleeveless: bool) -> str:
    """The right armhole from shoulder to armpit, without the starting point."""
    s, a = cut.shoulder, cut.armpit
    if s[1] > 50:
        return path("Q", (s[0] + (a[0] - s[0]) * 0.25, a[1] - 6), a)
    if sleeveless:
        return path("C", (s[0] - 7, s[1] + 46), (s[0] - 9, a[1] - 12), a)
    return path("C", (s[0] - 9, s[1] + 34), (s[0] - 12, a[1] - 18), a)


def sleeve(
    cut: Cut, spec: GarmentSpec, side: int, spread: float, bend: float, lean: float
) -> Sleeve:
    """The sleeve of one side, -1 left or 1 right, set into the armhole.

    spread and bend as in `silhouette.lay_out`; lean adds degrees to the upper arm.
    """
    short = spec.sleeve in ("cap", "short")
    upper = (36 + 24 * spread if short else 13 + 38 * spread) + lean
    lower = upper - bend * (0.0 if short else 1.0)
    s, a = cut.shoulder, cut.armpit
    root = between(s, a, 0.5)
    half = 0.5 * ((s[0] - a[0]) ** 2 + (s[1] - a[1]) ** 2) ** 0.5
    d1 = (sin(radians(upper)), cos(radians(upper)))
    d2 = (sin(radians(lower)), cos(radians(lower)))
    elbow = (root[0] + d1[0] * cut.sleeve * 0.5, root[1] + d1[1] * cut.sleeve * 0.5)
    wrist = (elbow[0] + d2[0] * cut.sleeve * 0.5, elbow[1] + d2[1] * cut.sleeve * 0.5)
    mean = (d1[0] + d2[0]) / 2, (d1[1] + d2[1]) / 2
    share = 0.42 if short else 0.52
    mid = half * 0.92 * (1 - share) + cut.cuff * share
    mid *= {"puff": 1.35, "bell": 0.82, "flutter": 1.05}.get(spec.sleeve_shape, 0.95)

    def beside(at: Point, along: Point, width: float) -> Point:
        return (at[0] + along[1] * width, at[1] - along[0] * width)

    outer, inner = beside(wrist, d2, cut.cuff), beside(wrist, d2, -cut.cuff)
    top = [s]
    if spec.sleeve_shape == "puff":
        top.append((s[0] + 20 + 8 * spread, s[1] + 20))
    top += [beside(elbow, mean, mid), outer]
    head = s if spec.sleeve_shape != "raglan" else cut.neck
    seam = path("M", s) + armhole(cut, False)
    if spec.sleeve_shape == "raglan":
        seam = path("M", head, "Q", (cut.neck[0] + 22, a[1] * 0.6), a)
    outline = (
        path("M", head, "L", s)
        + smooth(top)
        + path("Q", (wrist[0] + d2[0] * 5, wrist[1] + d2[1] * 5), inner)
        + smooth([inner, beside(elbow, mean, -mid), a])
        + (
            path("Q", (cut.neck[0] + 22, a[1] * 0.6), head, "Z")
            if spec.sleeve_shape == "raglan"
            else path("C", (s[0] - 12, a[1] - 18), (s[0] - 9, s[1] + 34), s, "Z")
        )
    )
    up = 24.0 if not short else 9.0
    back = (wrist[0] - d2[0] * up, wrist[1] - d2[1] * up)
    grown = cut.cuff + (mid - cut.cuff) * up / max(cut.sleeve * 0.5, up)
    band = path(
        "M", outer, "Q", (wrist[0] + d2[0] * 5, wrist[1] + d2[1] * 5), inner,
        "L", beside(back, d2, -grown), "Q", (back[0] + d2[0] * 4, back[1] + d2[1] * 4),
        beside(back, d2, grown), "Z",
    )  # fmt: skip
    axis = (root, elbow, wrist)
    if side < 0:
        outline, seam, band = mirror_path(outline), mirror_path(seam), mirror_path(band)
        axis = (mirror(root), mirror(elbow), mirror(wrist))
    return Sleeve(outline, seam, band, side * (upper + lower) / 2, side, axis)
