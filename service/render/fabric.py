"""Cloth: the SVG definitions that fill a panel with colour, print and weave."""

import numpy as np

from service.render.palette import luma, mix, shade
from service.render.prints import TILES
from service.render.spec import GarmentSpec

_TILE_TOP = 500.0


def _weave(spec: GarmentSpec) -> str:
    """Content of the pattern `weave`, or nothing for smooth cloth."""
    deep, pale = shade(spec.colour, -0.6), shade(spec.colour, 0.6)
    strong = 0.34 if luma(spec.colour) > 0.25 else 0.5
    if spec.material == "knit":
        tile = (
            f'<path d="M0 0L4 6L8 0M0 6L4 12L8 6" fill="none" stroke="{deep}" '
            f'stroke-width="1.7" stroke-opacity="{strong * 0.55:.2f}"/>'
            f'<path d="M0 3L4 9L8 3" fill="none" stroke="{pale}" stroke-width="1.4" '
            f'stroke-opacity="{strong * 0.4:.2f}"/>'
        )
        return f'width="8" height="6" patternUnits="userSpaceOnUse">{tile}'
    if spec.material == "cable":
        rope = "M{0} 0C{0} 14 {1} 12 {1} 24S{0} 36 {0} 48"
        tile = "".join(
            f'<path d="{rope.format(*ends)}" fill="none" stroke="{ink}" stroke-width="{wide}" '
            f'stroke-opacity="{strong * share:.2f}"/>'
            for ends, ink, wide, share in (
                ((10, 24), deep, 6, 0.75),
                ((24, 10), deep, 6, 0.75),
                ((9, 23), pale, 4, 0.8),
                ((23, 9), pale, 4, 0.8),
            )
        ) + "".join(
            f'<rect x="{x}" width="2.4" height="48" fill="{deep}" fill-opacity="{strong:.2f}"/>'
            for x in (1, 31, 38, 45)
        )
        return f'width="52" height="48" patternUnits="userSpaceOnUse">{tile}'
    if spec.material == "rib":
        tile = (
            f'<rect width="3" height="20" fill="{deep}" fill-opacity="{strong * 0.8:.2f}"/>'
            f'<rect x="4.5" width="2" height="20" fill="{pale}" fill-opacity="{strong * 0.5:.2f}"/>'
        )
        return f'width="9" height="20" patternUnits="userSpaceOnUse">{tile}'
    if spec.material == "denim":
        tile = (
            f'<path d="M-1 6L6 -1M2 9L9 2" stroke="{pale}" stroke-width="1.2" stroke-opacity="0.22"/>'
            f'<path d="M-1 2L2 -1M4 9L9 4" stroke="{deep}" stroke-width="1.2" stroke-opacity="0.22"/>'
        )
        return f'width="7" height="7" patternUnits="userSpaceOnUse">{tile}'
    if spec.material == "linen":
        tile = (
            f'<path d="M0 1H7M0 4.5H7" stroke="{pale}" stroke-width="0.9" stroke-opacity="0.2"/>'
            f'<path d="M2 0V7M5.5 0V7" stroke="{deep}" stroke-width="0.9" stroke-opacity="0.14"/>'
        )
        return f'width="7" height="7" patternUnits="userSpaceOnUse">{tile}'
    if spec.material == "puffer":
        tile = (
            '<rect width="400" height="52" fill="url(#quilt)"/>'
            f'<rect width="400" height="1.8" fill="{deep}" fill-opacity="0.7"/>'
        )
        return f'width="400" height="52" patternUnits="userSpaceOnUse">{tile}'
    return ""


_QUILT = (
    '<linearGradient id="quilt" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="0" y2="52">'
    '<stop offset="0" stop-color="#000" stop-opacity="0.3"/>'
    '<stop offset="0.28" stop-color="#fff" stop-opacity="0.22"/>'
    '<stop offset="0.55" stop-color="#fff" stop-opacity="0.04"/>'
    '<stop offset="1" stop-color="#000" stop-opacity="0.34"/></linearGradient>'
)


def _dip_dye(spec: GarmentSpec, length: float) -> str:
    return (
        f'<linearGradient id="print" gradientUnits="userSpaceOnUse" x1="0" y1="{length * 0.3:.0f}"'
        f' x2="0" y2="{length:.0f}"><stop offset="0" stop-color="{spec.second}" stop-opacity="0"/>'
        f'<stop offset="1" stop-color="{spec.second}"/></linearGradient>'
    )


class Cloth:
    """The cloth of one garment: `defs` for the SVG head and a filled panel on request.

    Sleeves turn the print and the weave with the arm, so each direction gets its own definition.
    """

    def __init__(self, spec: GarmentSpec, length: float) -> None:
        rng = np.random.default_rng(spec.motif)
        self.colour = spec.colour
        self._level = spec.pattern == "block"
        self._turns: dict[str, str] = {}
        self._layers: list[str] = []
        head = []
        if spec.pattern == "gradient":
            head.append(_dip_dye(spec, length))
            self._fixed = "print"
        else:
            self._fixed = ""
        if spec.pattern in TILES:
            width, height, content = TILES[spec.pattern](spec, rng)
            # Large tiles start outside the garment, so that no seam of the repeat lies on it.
            place = f'x="-{width / 2:.1f}" y="-{_TILE_TOP}" '
            head.append(
                f'<pattern id="print" {place}width="{width:.1f}" height="{height:.1f}" '
                f'patternUnits="userSpaceOnUse">{content}</pattern>'
            )
            self._layers.append("print")
        weave = _weave(spec)
        if weave:
            quilt = _QUILT if spec.material == "puffer" else ""
            head.append(f'{quilt}<pattern id="weave" {weave}</pattern>')
            self._layers.append("weave")
        self._head = "".join(head)

    def panel(self, outline: str, turn: float = 0.0, tint: str = "") -> str:
        """The outline filled with the cloth; turn is in degrees, tint replaces the colour."""
        parts = [f'<path d="{outline}" fill="{tint or self.colour}"/>']
        if not tint:
            if self._fixed:
                parts.append(f'<path d="{outline}" fill="url(#{self._fixed})"/>')
            parts += [
                f'<path d="{outline}" fill="url(#{self._turned(layer, turn)})"/>'
                for layer in self._layers
            ]
        elif "weave" in self._layers:
            parts.append(f'<path d="{outline}" fill="url(#{self._turned("weave", turn)})"/>')
        return "".join(parts)

    def _turned(self, layer: str, turn: float) -> str:
        angle = round(turn)
        if not angle or (layer == "print" and self._level):
            return layer
        ident = f"{layer}{'m' if angle < 0 else 'p'}{abs(angle)}"
        self._turns[ident] = (
            f'<pattern id="{ident}" href="#{layer}" patternTransform="rotate({-angle})"/>'
        )
        return ident

    @property
    def defs(self) -> str:
        """Definitions for every panel asked for so far."""
        return self._head + "".join(self._turns.values())


def rib(outline: str, spec: GarmentSpec, turn: float = 0.0) -> str:
    """A rib-knit band: darker cloth with fine lines along the direction of the arm or body."""
    ink = shade(spec.colour, -0.5 if luma(spec.colour) > 0.2 else 0.3)
    base = (
        shade(spec.colour, -0.12) if luma(spec.colour) > 0.12 else mix(spec.colour, "#666666", 0.1)
    )
    ident = f"ribs{'m' if turn < 0 else 'p'}{abs(round(turn))}"
    return (
        f'<pattern id="{ident}" width="6" height="20" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate({-round(turn)})">'
        f'<rect width="2.2" height="20" fill="{ink}" fill-opacity="0.4"/></pattern>'
        f'<path d="{outline}" fill="{base}"/><path d="{outline}" fill="url(#{ident})"/>'
        f'<path d="{outline}" fill="none" stroke="{ink}" stroke-width="1.2" stroke-opacity="0.45"/>'
    )
