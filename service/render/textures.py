"""Grey textures drawn once per process and pasted into pictures as data URIs.

Turbulence costs resvg ~100 ms on a full picture; a small tile that is stretched or repeated
costs a few, and nobody sees the difference under a print.
"""

import base64
import io
from functools import lru_cache

import resvg_py
from PIL import Image

CREASES = 8

_CREASES = (
    '<feTurbulence type="fractalNoise" baseFrequency="{fx} {fy}" numOctaves="{octaves}" '
    'seed="{seed}"/>'
    '<feColorMatrix type="matrix" values="0 0 0 0 0  0 0 0 0 0  0 0 0 0 0  1 0 0 0 0"/>'
    '<feDiffuseLighting surfaceScale="{depth}" diffuseConstant="0.78" lighting-color="#fff" '
    'result="lit"><feDistantLight azimuth="215" elevation="40"/></feDiffuseLighting>'
    '<feTurbulence type="fractalNoise" baseFrequency="0.8" numOctaves="2" seed="{seed}"/>'
    '<feColorMatrix type="matrix" '
    'values="1 0 0 0 0  1 0 0 0 0  1 0 0 0 0  0 0 0 0 1" result="fuzz"/>'
    '<feComposite in="lit" in2="fuzz" operator="arithmetic" k2="1" k3="{fuzz}" k4="{level}"/>'
)
_GRAIN = (
    '<feTurbulence type="fractalNoise" baseFrequency="{fx} {fy}" numOctaves="{octaves}" '
    'seed="{seed}" stitchTiles="stitch"/>'
    '<feColorMatrix type="matrix" '
    'values="{gain} 0 0 0 {bias}  {gain} 0 0 0 {bias}  {gain} 0 0 0 {bias}  0 0 0 0 1"/>'
)
# name: (template, width, height, parameters)
_FOLDS = {"fx": 0.013, "fy": 0.009, "octaves": 3, "depth": 13}
_RECIPES = {
    "smooth": (_CREASES, 240, 320, {**_FOLDS, "fuzz": 0.0}),
    "fuzzy": (_CREASES, 240, 320, {**_FOLDS, "fuzz": 0.25}),
    "flecked": (_CREASES, 240, 320, {**_FOLDS, "fuzz": 0.75}),
    "pile": (_GRAIN, 128, 128, {"fx": 0.22, "fy": 0.3, "octaves": 3, "gain": 2.4}),
    "wood": (_GRAIN, 256, 256, {"fx": 0.4, "fy": 0.01, "octaves": 3, "gain": 2.0}),
}


@lru_cache(maxsize=64)
def texture(name: str, seed: int = 0) -> str:
    """A PNG of black and white veils that darkens and lightens what lies below, as a data URI.

    Laid over a colour it equals the blend mode hard-light with the grey texture, without the
    cost of a blended layer: black of alpha 1 - 2v multiplies by 2v, white of alpha 2v - 1 screens.
    Names: smooth, fuzzy and flecked (creased cloth lit from the upper left), pile, wood.
    """
    template, width, height, values = _RECIPES[name]
    values = {"seed": seed + 1, **values}
    values["bias"] = 0.5 - values.get("gain", 0) / 2
    values["level"] = -values.get("fuzz", 0) / 2
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<filter id="f" x="0" y="0" width="{width}" height="{height}" '
        'filterUnits="userSpaceOnUse" color-interpolation-filters="sRGB">'
        f"{template.format(**values)}</filter>"
        f'<rect width="{width}" height="{height}" filter="url(#f)"/></svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    grey = Image.open(io.BytesIO(png)).convert("L")
    veil = Image.merge(
        "LA",
        (grey.point(lambda v: 255 if v > 127 else 0), grey.point(lambda v: abs(2 * v - 255))),
    )
    target = io.BytesIO()
    veil.save(target, "PNG")
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode()


def texture_tile(ident: str, name: str, size: float, seed: int = 0) -> str:
    """A pattern definition that repeats the texture every `size` units."""
    _, width, height, _ = _RECIPES[name]
    tall = size * height / width
    return (
        f'<pattern id="{ident}" width="{size:.1f}" height="{tall:.1f}" '
        'patternUnits="userSpaceOnUse">'
        f'<image href="{texture(name, seed)}" width="{size:.1f}" height="{tall:.1f}" '
        'preserveAspectRatio="none" image-rendering="optimizeSpeed"/></pattern>'
    )
