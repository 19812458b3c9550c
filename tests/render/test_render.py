import dataclasses
import json

import numpy as np
import pytest

from service.render import (
    CATEGORIES,
    GarmentSpec,
    render,
    render_svg,
    sample_spec,
    studio_scene,
    wild_scene,
)
from service.render.palette import rgb
from service.render.prints import TILES
from service.render.styles import STYLES


def sample(category: str, seed: int = 0) -> GarmentSpec:
    return sample_spec(np.random.default_rng(seed), category)


def plain(category: str, seed: int = 0) -> GarmentSpec:
    return dataclasses.replace(sample(category, seed), pattern="solid", material="cotton")


def centre_colour(spec: GarmentSpec, seed: int) -> np.ndarray:
    scene = studio_scene(np.random.default_rng(seed))
    pixels = np.asarray(render(spec, scene, 96), float)
    return np.median(pixels[50:90, 38:58].reshape(-1, 3), axis=0)


def test_equal_seeds_draw_equal_pictures():
    """Spec, scene and pixels depend on the seed alone."""

    def draw() -> tuple[GarmentSpec, bytes]:
        rng = np.random.default_rng(7)
        spec = sample_spec(rng, "Dress")
        return spec, render(spec, wild_scene(rng), 64).tobytes()

    assert draw() == draw()


def test_different_seeds_draw_different_pictures():
    """Two scenes of one garment are two pictures."""
    spec = sample("Tee")
    first, second = (render(spec, wild_scene(np.random.default_rng(s)), 64) for s in (1, 2))
    assert first.tobytes() != second.tobytes()


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_renders_in_both_kinds_of_scene(category):
    """Pictures are RGB, portrait 3:4, and not empty."""
    for seed, scene in enumerate((studio_scene, wild_scene)):
        picture = render(sample(category, seed), scene(np.random.default_rng(seed)), 48)
        assert (picture.mode, picture.size) == ("RGB", (48, 64))
        assert np.asarray(picture).std() > 5


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_style_can_be_drawn(category):
    """No combination that the sampler yields lacks a drawing."""
    for seed in range(12 * len(STYLES[category])):
        rng = np.random.default_rng(seed)
        assert render_svg(sample_spec(rng, category), wild_scene(rng)).endswith("</svg>")


@pytest.mark.parametrize("pattern", [*TILES, "graphic", "gradient", "melange"])
def test_every_pattern_shows(pattern):
    """A patterned garment differs from the plain one."""
    scene = studio_scene(np.random.default_rng(3))
    base = dataclasses.replace(plain("Tee"), colour="#2a56a0", second="#f4f2ec")
    patterned = dataclasses.replace(base, pattern=pattern)
    assert render(base, scene, 64).tobytes() != render(patterned, scene, 64).tobytes()


def drawn_flat(spec: GarmentSpec, **changes: str) -> np.ndarray:
    """(rows, columns, 3) pixels of the garment without folds, light or shadow."""
    scene = dataclasses.replace(
        studio_scene(np.random.default_rng(1)),
        wrinkle=0, light=0, shadow=0, warmth=0, exposure=0, vignette=0, grain=0, blur=0,
        backdrop="paper", tone="#0000ff", accent="#0000ff",
    )  # fmt: skip
    changed = dataclasses.replace(spec, material="cotton", **changes)
    return np.asarray(render(changed, scene, 96), int)


@pytest.mark.parametrize(
    ("category", "length"), [("Tee", "crop"), ("Hoodie", "crop"), ("Tank", "regular")]
)
def test_a_print_lies_on_the_cloth(category, length):
    """What a print changes is cloth: what another colour changes."""
    for motif in range(40):
        spec = dataclasses.replace(plain(category), length=length, motif=motif, fastening="none")
        bare = drawn_flat(spec, colour="#2a56a0")
        cloth = (bare != drawn_flat(spec, colour="#b8242c")).any(axis=2)
        changed = (
            np.abs(bare - drawn_flat(spec, colour="#2a56a0", pattern="graphic")).max(axis=2) > 24
        )
        assert changed.any()
        assert not (changed & ~cloth).any(), motif


@pytest.mark.parametrize("category", ["Hoodie", "Jacket", "Sweater", "Tank", "Tee"])
def test_blocks_leave_most_of_the_cloth_its_colour(category):
    """A garment's family is the colour that most of it has."""
    most = []
    for seed in range(20):
        spec = dataclasses.replace(sample(category, seed), motif=seed, pattern="block")
        red, green, blue = np.moveaxis(drawn_flat(spec, colour="#00d000", second="#d00000"), 2, 0)
        second = (red > 60) & (red > 1.6 * green) & (red > 1.3 * blue)
        own = (green > 60) & (green > 1.6 * red) & (green > 1.3 * blue)
        most.append(own.sum() > second.sum())
    assert np.mean(most) >= 0.9


@pytest.mark.parametrize("category", ["Sweater", "Tee", "Dress"])
def test_colour_survives_another_photo(category):
    """The cloth keeps its colour, give or take folds and light, from one scene to the next."""
    spec = dataclasses.replace(plain(category), colour="#3b6fb0", collar="none", waist="none")
    first, second = centre_colour(spec, 1), centre_colour(spec, 2)
    assert np.abs(first - second).max() < 45
    assert np.abs(first - np.array(rgb(spec.colour)) * 255).max() < 60


def test_spec_survives_json():
    """The attributes are plain JSON values."""
    spec = sample("Jacket")
    assert GarmentSpec(**json.loads(json.dumps(spec.to_dict()))) == spec


def test_height_follows_the_short_side():
    """160 pixels wide is 213 high."""
    assert render(sample("Top"), studio_scene(np.random.default_rng(0)), 160).size == (160, 213)


def test_unknown_category_is_refused():
    """The message names the category and the choices."""
    with pytest.raises(ValueError, match="unknown category 'Sock': expected one of Blazer"):
        sample_spec(np.random.default_rng(0), "Sock")


def test_tiny_picture_is_refused():
    """Below 16 pixels nothing can be recognised."""
    with pytest.raises(ValueError, match="too small"):
        render(sample("Tee"), studio_scene(np.random.default_rng(0)), 8)
