"""Pictures of garments: SVG text from a spec and a scene, and its raster."""

import io
from math import cos, radians, sin

import numpy as np
import resvg_py
from PIL import Image, ImageEnhance, ImageFilter

from service.render.backdrop import backdrop
from service.render.garment import draw_garment
from service.render.palette import to_hex
from service.render.paths import bounds
from service.render.scene import HEIGHT, WIDTH, Scene
from service.render.shading import cast_shadow, shading
from service.render.silhouette import lay_out
from service.render.spec import GarmentSpec


def render_svg(spec: GarmentSpec, scene: Scene) -> str:
    """The picture as SVG text with a view box of 480 x 640; equal arguments give equal text."""
    shape = lay_out(spec, scene.spread, scene.bend, scene.slump, scene.seed)
    garment = draw_garment(spec, shape, scene)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"{backdrop(scene)}"
        f'<g transform="{_placement(garment.extent, scene)}">'
        f"{cast_shadow(garment.solid, scene)}{garment.behind}"
        f"<g>{garment.content}{shading(spec, shape, scene)}</g></g>"
        f"{_light(scene)}</svg>"
    )


def render(spec: GarmentSpec, scene: Scene, size: int = 320) -> Image.Image:
    """The picture in RGB, `size` pixels wide and 4/3 as high (rounded); bytes are reproducible.

    Raises ValueError when size is below 16.
    """
    if size < 16:
        raise ValueError(f"picture size {size} is too small: the short side needs 16 pixels")
    height = round(size * HEIGHT / WIDTH)
    png = resvg_py.svg_to_bytes(
        svg_string=render_svg(spec, scene),
        width=size,
        height=height,
        skip_system_fonts=True,
    )
    # resvg rounds the height up, by one row at most.
    picture = Image.open(io.BytesIO(png)).convert("RGB").crop((0, 0, size, height))
    if scene.contrast != 1:
        picture = ImageEnhance.Contrast(picture).enhance(scene.contrast)
    if scene.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(scene.blur * size))
    return _grain(picture, scene) if scene.grain > 0.1 else picture


def _grain(picture: Image.Image, scene: Scene) -> Image.Image:
    """Sensor noise, alike in the three channels."""
    noise = np.random.default_rng(scene.seed).normal(
        0, 11 * scene.grain, (picture.height, picture.width, 1)
    )
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def _placement(extent: list[str], scene: Scene) -> str:
    """The transform that puts the garment's bounding box into the frame."""
    left, top, right, bottom = bounds(extent)
    wide, tall = right - left, (bottom - top) * scene.squash
    if abs(abs(scene.turn) - 90) < 45:
        wide, tall = tall, wide
    zoom = scene.size * min(WIDTH / wide, HEIGHT / tall)
    return (
        f"translate({WIDTH * (0.5 + scene.shift_x):.1f} {HEIGHT * (0.5 + scene.shift_y):.1f}) "
        f"rotate({scene.turn:.2f}) skewX({scene.lean:.2f}) "
        f"scale({zoom:.4f} {zoom * scene.squash:.4f}) "
        f"translate({-(left + right) / 2:.1f} {-(top + bottom) / 2:.1f})"
    )


def _light(scene: Scene) -> str:
    """Fall-off, tint, exposure and vignette over the whole picture."""
    full = f'width="{WIDTH}" height="{HEIGHT}"'
    warm = scene.warmth * 0.16
    dim = 1 + min(0.0, scene.exposure)
    tint = (1 + min(0, warm), 1 - abs(warm) * 0.25, 1 - max(0, warm))
    near = to_hex(*(c * dim for c in tint))
    far = to_hex(*(c * dim * (1 - scene.light * 0.6) for c in tint))
    x, y = cos(radians(scene.light_from)) / 2, sin(radians(scene.light_from)) / 2
    parts = [
        f'<linearGradient id="sun" x1="{0.5 + x:.2f}" y1="{0.5 + y:.2f}" x2="{0.5 - x:.2f}" '
        f'y2="{0.5 - y:.2f}"><stop offset="0.2" stop-color="{near}"/>'
        f'<stop offset="1" stop-color="{far}"/></linearGradient>'
        f'<rect {full} fill="url(#sun)" style="mix-blend-mode:multiply"/>'
    ]
    if scene.exposure > 0:
        parts.append(
            f'<rect {full} fill="#fff" fill-opacity="{scene.exposure * 0.8:.2f}" '
            'style="mix-blend-mode:soft-light"/>'
        )
    if scene.vignette > 0.15:
        parts.append(
            '<radialGradient id="edge" r="0.75"><stop offset="0.6" stop-opacity="0"/>'
            f'<stop offset="1" stop-opacity="{scene.vignette * 0.6:.2f}"/></radialGradient>'
            f'<rect {full} fill="url(#edge)"/>'
        )
    return "".join(parts)
