"""Pens: how seams, edges, stitches and soft shadows are stroked."""

from dataclasses import dataclass

from service.render.palette import luma, mix, shade
from service.render.paths import Point
from service.render.spec import GarmentSpec


def stroke(
    data: str,
    colour: str,
    width: float,
    opacity: float = 1.0,
    dash: str = "",
    move: Point = (0.0, 0.0),
    cap: str = "round",
) -> str:
    """An open line, dashed on request and moved by an offset."""
    ends = f'stroke-dasharray="{dash}"' if dash else f'stroke-linecap="{cap}"'
    place = f' transform="translate({move[0]} {move[1]})"' if any(move) else ""
    return (
        f'<path d="{data}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linejoin="round" stroke-opacity="{opacity}" {ends}{place}/>'
    )


def fill(data: str, colour: str, opacity: float = 1.0) -> str:
    """A closed shape."""
    return f'<path d="{data}" fill="{colour}" fill-opacity="{opacity}"/>'


@dataclass(frozen=True)
class Ink:
    """The tones derived from one garment's colours."""

    base: str
    dark: str
    light: str
    inside: str
    thread: str
    metal: str
    button: str

    @classmethod
    def of(cls, spec: GarmentSpec) -> "Ink":
        """Tones of the spec's cloth."""
        bright = luma(spec.colour)
        thread = shade(spec.colour, -0.35) if bright > 0.25 else shade(spec.colour, 0.3)
        if spec.material == "denim":
            thread = "#c98a3d"
        button = mix(spec.colour, "#1c1714", 0.72) if bright > 0.12 else "#4b4742"
        if spec.material in ("silk", "cotton", "linen") and spec.collar == "shirt":
            button = "#f1ece0" if bright < 0.8 else "#cfc7b8"
        if spec.material == "denim":
            button = "#b88a55"
        return cls(
            base=spec.colour,
            dark=shade(spec.colour, -0.62),
            light=shade(spec.colour, 0.35),
            inside=shade(spec.colour, -0.42) if bright > 0.14 else shade(spec.colour, 0.12),
            thread=thread,
            metal="#c9cbd0" if spec.motif % 3 else "#c8a765",
            button=button,
        )

    def edge(self, data: str, width: float = 1.3) -> str:
        """The cut edge of a panel."""
        return stroke(data, self.dark, width, 0.42)

    def seam(self, data: str) -> str:
        """Two pieces sewn together: a dark valley with a pale lip."""
        return (
            stroke(data, self.dark, 5.0, 0.09)
            + stroke(data, self.dark, 1.2, 0.42)
            + stroke(data, self.light, 0.9, 0.25, move=(1.4, 1.2))
        )

    def stitch(self, data: str) -> str:
        """A dashed line of thread."""
        return stroke(data, self.thread, 1.3, 0.75, dash="5 2.6")
