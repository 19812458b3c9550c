"""Drawn pictures of garments: what they are, how they are photographed, and their pixels."""

from service.render.draw import render, render_svg
from service.render.sampling import sample_spec
from service.render.scene import Scene, studio_scene, wild_scene
from service.render.spec import CATEGORIES, GarmentSpec

EDITION = 2
"""Raised where equal specs and scenes give other pictures than before, so that drawn ones are drawn anew."""

__all__ = [
    "CATEGORIES",
    "EDITION",
    "GarmentSpec",
    "Scene",
    "render",
    "render_svg",
    "sample_spec",
    "studio_scene",
    "wild_scene",
]
