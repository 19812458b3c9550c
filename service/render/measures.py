"""The cut of a garment in numbers: where neck, shoulder, armpit, waist and hem lie.

The unit is 2 mm of cloth. x = 0 is the centre line, y = 0 the highest point of the shoulder.
"""

from dataclasses import dataclass

from service.render.paths import Point
from service.render.spec import GarmentSpec

_FIT = {"slim": 0.88, "regular": 1.0, "loose": 1.13}
_HEM = {"crop": 235.0, "regular": 325.0, "long": 385.0, "extra": 470.0}
_SKIRT = {"mini": 400.0, "knee": 480.0, "midi": 560.0, "maxi": 640.0}
_SLEEVE = {"none": 0.0, "cap": 34.0, "short": 88.0, "elbow": 170.0, "long": 300.0}
_CUFF = {"none": 0.0, "cap": 42.0, "short": 46.0, "elbow": 38.0, "long": 25.0}
_FRONT = {
    "crew": 30.0,
    "v": 88.0,
    "scoop": 68.0,
    "boat": 14.0,
    "square": 62.0,
    "sweetheart": 26.0,
    "turtle": 6.0,
    "straight": 2.0,
}
_NECK = {"crew": 40.0, "v": 42.0, "scoop": 52.0, "boat": 74.0, "square": 60.0, "turtle": 36.0}
_FEMININE = ("Top", "Dress", "Jumpsuit", "Romper")


@dataclass(frozen=True)
class Cut:
    """Right-hand points of the body and the lengths that shape it.

    neck: end of the neckline; front, back: depth of the neckline below it; shoulder and armpit:
    ends of the armhole; waist, hip, hem: the side seam; crotch: y of the inner leg seam, 0 for
    none; sleeve: length; cuff: half width of the sleeve's end.
    """

    neck: Point
    front: float
    back: float
    shoulder: Point
    armpit: Point
    waist: Point
    hip: Point
    hem: Point
    crotch: float
    sleeve: float
    cuff: float


def measure(spec: GarmentSpec) -> Cut:
    """The cut that the attributes ask for."""
    fit = _FIT[spec.fit]
    feminine = spec.category in _FEMININE
    girth = fit * (0.84 if feminine else 0.82 if spec.category == "Tank" else 1.0)
    tailored = spec.category == "Blazer"
    neck = _NECK.get(spec.neckline, 44.0) * (0.94 if feminine else 1.0)
    front = _FRONT[spec.neckline]
    shoulder = (112.0 * girth, 26.0 if not tailored else 17.0)
    armpit = (125.0 * girth, 108.0 + 22.0 * fit)
    if tailored:
        front = {1: 200.0, 2: 165.0, 3: 130.0}.get(spec.buttons, 140.0)
        neck, shoulder = 36.0, (116.0 * fit, 17.0)
    elif spec.category == "Cardigan" and spec.neckline == "v":
        front = 130.0
    elif spec.collar in ("shirt", "stand", "hood", "biker"):
        neck, front = 38.0, 26.0
    elif spec.fastening == "wrap":
        front = 125.0

    neck_point = (neck, 0.0)
    if spec.strap == "thin":
        neck_point = (62.0 * girth, 78.0)
        shoulder = neck_point
        front = {"v": 42.0, "sweetheart": 22.0}.get(spec.neckline, 6.0)
    elif spec.strap == "off":
        neck_point = (100.0 * girth, 52.0)
        shoulder, front = (106.0 * girth, 56.0), 10.0
    elif spec.sleeve == "none":
        width = {"wide": 30.0, "racer": 20.0, "muscle": 44.0}[spec.strap]
        neck_point = (min(neck, 52.0), 0.0)
        shoulder = (neck_point[0] + width * fit, 8.0 + width * 0.16)
        armpit = (armpit[0] * 0.96, armpit[1] + 8)

    return Cut(
        neck=neck_point,
        front=front,
        back=min(12.0, front * 0.35),
        shoulder=shoulder,
        armpit=armpit,
        crotch=335.0 if spec.legs != "none" else 0.0,
        sleeve=_sleeve_length(spec),
        cuff=_cuff(spec) * (0.9 if feminine else 1.0) * (fit + 1) / 2,
        **_side_seam(spec, girth),
    )


def _side_seam(spec: GarmentSpec, girth: float) -> dict[str, Point]:
    if spec.legs != "none":
        leg = 655.0 if spec.legs == "long" else 400.0
        spread = 96.0 + 34.0 * spec.flare if spec.legs == "long" else 116.0 + 30.0 * spec.flare
        return {
            "waist": (97.0 * girth, 195.0),
            "hip": (116.0 * girth, 285.0),
            "hem": (spread * (0.55 + 0.45 * girth), leg),
        }
    if spec.category == "Dress":
        waist = 150.0 if spec.waist == "empire" else 190.0
        length = _SKIRT[spec.length]
        grip = 0.98 if spec.waist == "none" else 0.78
        flare = spec.flare * (0.45 if spec.waist == "none" else 1.0)
        return {
            "waist": (118.0 * girth * grip, waist),
            "hip": ((118.0 + 42.0 * flare) * girth, waist + 85.0),
            "hem": ((112.0 + 125.0 * flare) * girth, length),
        }
    length = _HEM[spec.length]
    if spec.category == "Blazer":
        return {
            "waist": (108.0 * girth, 205.0),
            "hip": (115.0 * girth, 290.0),
            "hem": (123.0 * girth, length + 30.0),
        }
    if spec.waist in ("peplum", "elastic"):
        return {
            "waist": (96.0 * girth, 185.0),
            "hip": ((108.0 + 30.0 * spec.flare) * girth, 215.0),
            "hem": ((116.0 + 60.0 * spec.flare) * girth, max(length * 0.88, 262.0)),
        }
    shaped = {"slim": 0.93, "regular": 0.98, "loose": 1.0}[spec.fit]
    bottom = 112.0 if spec.hem == "rib" else 124.0
    return {
        "waist": (124.0 * girth * shaped, 215.0 * length / 325.0),
        "hip": (125.0 * girth, 265.0 * length / 325.0),
        "hem": ((bottom + 55.0 * spec.flare) * girth, length),
    }


def _sleeve_length(spec: GarmentSpec) -> float:
    length = _SLEEVE[spec.sleeve]
    if spec.category == "Blazer":
        length = 312.0
    if spec.strap == "off":
        length *= 0.9
    return length


def _cuff(spec: GarmentSpec) -> float:
    cuff = _CUFF[spec.sleeve]
    if spec.category in ("Blazer", "Jacket"):
        cuff = 31.0
    if spec.sleeve_shape == "bell":
        cuff *= 2.2 if spec.sleeve == "long" else 1.6
    elif spec.sleeve_shape == "flutter":
        cuff *= 1.35
    elif spec.sleeve_shape == "puff":
        cuff *= 0.85
    return cuff
