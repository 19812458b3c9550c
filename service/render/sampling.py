"""Draws plausible garments: which attributes go together in each category."""

from typing import Any

import numpy as np

from service.render.palette import FAMILIES, draw_colour, draw_partner
from service.render.spec import CATEGORIES, GarmentSpec
from service.render.styles import STYLES

_PLAIN: dict[str, Any] = {
    "neckline": "crew",
    "collar": "none",
    "sleeve": "long",
    "sleeve_shape": "set",
    "strap": "none",
    "length": "regular",
    "fit": "regular",
    "flare": 0.0,
    "pattern": "solid",
    "material": "cotton",
    "fastening": "none",
    "buttons": 0,
    "pocket": "none",
    "waist": "none",
    "legs": "none",
    "hem": "plain",
}

# Print makers avoid these: a yellow camouflage or a purple denim says the wrong thing.
_DENIM = ("blue", "navy", "black", "grey", "white")
_LEATHER = ("black", "brown", "burgundy", "beige", "red", "navy")
_CAMO = ("olive", "grey", "beige", "green")


def _pick(rng: np.random.Generator, value: Any) -> Any:
    """A weighted choice from a dict, a uniform one from a tuple, any other value as it is."""
    if isinstance(value, dict):
        weights = np.fromiter(value.values(), float)
        return list(value)[rng.choice(len(weights), p=weights / weights.sum())]
    if isinstance(value, tuple):
        return value[rng.integers(len(value))]
    return value


def _family(rng: np.random.Generator, material: str, pattern: str, usual: tuple[str, ...]) -> str:
    if material == "denim":
        return _pick(rng, dict(zip(_DENIM, (6, 3, 1, 1, 1), strict=True)))
    if material == "leather":
        return _pick(rng, dict(zip(_LEATHER, (6, 3, 1, 1, 1, 1), strict=True)))
    if pattern == "camo":
        return _pick(rng, _CAMO)
    if pattern == "leopard":
        return _pick(rng, ("beige", "brown", "grey", "orange"))
    return _pick(rng, usual)


def sample_spec(rng: np.random.Generator, category: str) -> GarmentSpec:
    """A random garment of the category.

    Raises ValueError when the category is not one of CATEGORIES.
    """
    if category not in CATEGORIES:
        raise ValueError(f"unknown category {category!r}: expected one of {', '.join(CATEGORIES)}")
    styles = STYLES[category]
    style = styles[rng.choice(len(styles), p=_shares(styles))]
    drawn = {name: _pick(rng, style.get(name, usual)) for name, usual in _PLAIN.items()}
    if drawn["material"] == "cable" and drawn["pattern"] not in ("solid", "melange"):
        drawn["material"] = "knit"
    family = _family(rng, drawn["material"], drawn["pattern"], style.get("family", tuple(FAMILIES)))
    drawn["flare"] = round(float(np.clip(drawn["flare"] + rng.normal(0, 0.06), 0, 1)), 3)
    return GarmentSpec(
        category=category,
        family=family,
        colour=draw_colour(rng, family),
        second=draw_partner(rng, family),
        pattern_scale=round(float(rng.uniform(0.75, 1.45)), 3),
        motif=int(rng.integers(1_000_000)),
        **drawn,
    )


def _shares(styles: tuple[dict[str, Any], ...]) -> np.ndarray:
    weights = np.array([style["weight"] for style in styles], float)
    return weights / weights.sum()
