"""The styles of each category: weighted choices of attributes that shops sell together.

A dict is a weighted choice, a tuple a uniform one, anything else a fixed value; an attribute
that a style does not name keeps the plain value.
"""

from typing import Any

_SOBER = ("navy", "black", "grey", "beige", "brown", "olive", "white", "burgundy", "blue", "green")
_FIT = {"slim": 3, "regular": 5, "loose": 3}
_PRINTS = {"solid": 5, "floral": 4, "dots": 2, "stripes": 1, "gingham": 1, "leopard": 1}

_BLAZER = {
    "neckline": "v",
    "fit": {"slim": 4, "regular": 5},
    "length": {"regular": 7, "long": 2},
    "material": {"wool": 5, "linen": 2, "tweed": 2, "velvet": 1},
    "pattern": {"solid": 7, "plaid": 2, "pinstripe": 1.5, "gingham": 0.5},
    "pocket": {"flap": 6, "welt": 2, "patch": 2},
}
_CARDIGAN = {
    "collar": "rib",
    "fit": _FIT,
    "material": {"knit": 5, "cable": 2, "rib": 2},
    "pattern": {"solid": 6, "melange": 2, "stripes": 1, "fairisle": 0.7, "argyle": 0.5},
    "hem": "rib",
    "pocket": {"none": 5, "patch": 4},
}
_HOODIE = {
    "collar": "hood",
    "fit": {"regular": 5, "loose": 4},
    "length": {"regular": 8, "crop": 1},
    "material": "fleece",
    "hem": "rib",
    "pocket": "kangaroo",
    "sleeve_shape": {"set": 4, "raglan": 1},
}
_SWEATER = {
    "fit": _FIT,
    "length": {"regular": 8, "crop": 1, "long": 1},
    "material": {"knit": 5, "cable": 3, "rib": 2},
    "hem": "rib",
    "collar": "rib",
    "sleeve_shape": {"set": 4, "raglan": 1},
}
_TANK = {
    "sleeve": "none",
    "neckline": {"scoop": 5, "crew": 3, "v": 1},
    "fit": _FIT,
    "pattern": {"solid": 6, "stripes": 3, "graphic": 3, "melange": 1, "block": 0.5, "camo": 0.3},
    "material": {"cotton": 4, "rib": 2},
}
_TEE = {
    "sleeve": "short",
    "neckline": {"crew": 6, "v": 2, "scoop": 1},
    "fit": _FIT,
    "length": {"regular": 9, "crop": 1},
    "collar": "rib",
    "pattern": {
        "solid": 5,
        "graphic": 6,
        "stripes": 2.5,
        "bars": 0.7,
        "melange": 1,
        "block": 0.7,
        "gradient": 0.3,
        "dots": 0.3,
        "camo": 0.2,
    },
}
_BLOUSE = {"material": {"silk": 3, "cotton": 3, "linen": 1}, "pattern": _PRINTS}
_SUIT = {
    "legs": "long",
    "fit": {"slim": 3, "regular": 4},
    "flare": (0.1, 0.3, 0.6, 0.9),
    "waist": {"belt": 5, "elastic": 3, "seam": 2},
    "material": {"cotton": 4, "silk": 3, "linen": 2},
    "pattern": {"solid": 6, "floral": 2, "dots": 1, "pinstripe": 1},
    "pocket": {"none": 2, "welt": 1},
}
_PLAYSUIT = {**_SUIT, "legs": "short", "pattern": _PRINTS, "flare": (0.2, 0.5, 0.8)}
_ONE_PIECE_TOPS: tuple[dict[str, Any], ...] = (
    {"weight": 3, "sleeve": "none", "strap": "thin", "neckline": ("v", "sweetheart", "straight")},
    {"weight": 3, "sleeve": "none", "strap": "wide", "neckline": ("scoop", "v", "square", "boat")},
    {"weight": 3, "sleeve": ("short", "cap"), "neckline": ("crew", "v", "scoop", "square")},
    {"weight": 1, "sleeve": ("long", "elbow"), "neckline": ("v", "crew", "boat")},
    {"weight": 1, "sleeve": ("short", "elbow"), "fastening": "wrap", "neckline": "v"},
    {
        "weight": 2,
        "sleeve": ("short", "long"),
        "collar": "shirt",
        "fastening": "single",
        "buttons": (4, 5),
    },
)

STYLES: dict[str, tuple[dict[str, Any], ...]] = {
    "Blazer": (
        {**_BLAZER, "weight": 7, "collar": {"notch": 8, "peak": 1}, "fastening": "single",
         "buttons": {1: 3, 2: 5, 3: 1}, "family": _SOBER},
        {**_BLAZER, "weight": 2, "collar": "peak", "fastening": "double", "buttons": (4, 6),
         "family": _SOBER},
        {**_BLAZER, "weight": 1, "collar": "shawl", "fastening": "single", "buttons": 1},
        {**_BLAZER, "weight": 1, "collar": "notch", "fastening": "single", "buttons": (1, 2)},
    ),
    "Cardigan": (
        {**_CARDIGAN, "weight": 5, "neckline": "v", "fastening": "single", "buttons": (4, 5, 6),
         "length": {"regular": 6, "long": 2, "crop": 1}},
        {**_CARDIGAN, "weight": 3, "neckline": "crew", "fastening": "single", "buttons": (6, 7),
         "length": {"regular": 5, "crop": 2}},
        {**_CARDIGAN, "weight": 4, "neckline": "v", "fastening": "open", "hem": "plain",
         "length": {"long": 4, "extra": 2, "regular": 2}},
    ),
    "Hoodie": (
        {**_HOODIE, "weight": 6,
         "pattern": {"solid": 4, "graphic": 6, "melange": 2, "block": 1, "camo": 0.4}},
        {**_HOODIE, "weight": 4, "fastening": "zip",
         "pattern": {"solid": 5, "melange": 2, "block": 1, "stripes": 0.5}},
    ),
    "Jacket": (
        {"weight": 3, "material": "denim", "collar": "shirt", "fastening": "single", "buttons": 6,
         "pocket": "chest", "length": {"regular": 4, "crop": 2}, "hem": "rib"},
        {"weight": 3, "material": "leather", "collar": "biker", "fastening": "zip",
         "pocket": "zip", "length": {"crop": 1, "regular": 2}, "fit": "slim"},
        {"weight": 3, "material": "nylon", "collar": "rib", "fastening": "zip", "pocket": "welt",
         "hem": "rib", "fit": ("regular", "loose"), "pattern": {"solid": 6, "camo": 1, "block": 1},
         "family": ("olive", "black", "navy", "burgundy", "beige", "grey", "blue", "orange")},
        {"weight": 3, "material": "puffer", "collar": {"stand": 2, "hood": 1}, "fastening": "zip",
         "pocket": "zip", "fit": ("regular", "loose")},
        {"weight": 3, "material": "nylon", "collar": {"hood": 2, "stand": 2}, "fastening": "zip",
         "pocket": {"flap": 2, "zip": 2}, "length": {"regular": 3, "long": 2},
         "pattern": {"solid": 6, "block": 2, "camo": 1}, "fit": ("regular", "loose")},
        {"weight": 2, "material": "cotton", "collar": "shirt", "fastening": "single",
         "buttons": (5, 6), "pocket": "chest", "family": _SOBER,
         "pattern": {"solid": 4, "plaid": 1}},
        {"weight": 1, "material": "leather", "collar": "stand", "fastening": "zip",
         "pocket": "zip", "hem": "rib"},
    ),
    "Sweater": (
        {**_SWEATER, "weight": 6, "neckline": {"crew": 7, "v": 2, "boat": 1},
         "pattern": {"solid": 6, "melange": 2, "stripes": 2, "bars": 0.8, "fairisle": 1.2, "argyle": 0.8,
                     "block": 1, "chevron": 0.6}},
        {**_SWEATER, "weight": 2, "neckline": "turtle", "collar": "none",
         "pattern": {"solid": 6, "melange": 2, "stripes": 1}},
        {**_SWEATER, "weight": 2, "material": "fleece",
         "pattern": {"graphic": 5, "solid": 2, "block": 1, "melange": 1}},
        {**_SWEATER, "weight": 1, "collar": "stand", "fastening": "halfzip", "material": "knit",
         "pattern": {"solid": 4, "melange": 1}},
    ),
    "Tank": (
        {**_TANK, "weight": 5, "strap": "wide"},
        {**_TANK, "weight": 3, "strap": "muscle", "neckline": {"crew": 4, "v": 1}},
        {**_TANK, "weight": 2, "strap": "racer", "neckline": "scoop"},
    ),
    "Tee": (
        {**_TEE, "weight": 8},
        {**_TEE, "weight": 1, "sleeve": "cap", "fit": "slim", "neckline": {"crew": 2, "scoop": 3}},
        {**_TEE, "weight": 1, "collar": "shirt", "fastening": "placket", "buttons": (2, 3),
         "neckline": "crew", "pattern": {"solid": 5, "stripes": 2, "block": 1}},
    ),
    "Top": (
        {**_BLOUSE, "weight": 3, "sleeve": "none", "strap": "thin", "flare": (0.1, 0.4, 0.7),
         "neckline": ("v", "straight", "sweetheart"), "hem": {"plain": 3, "ruffle": 2},
         "length": {"regular": 3, "crop": 2}},
        {**_BLOUSE, "weight": 2, "sleeve": ("short", "long", "elbow"), "strap": "off",
         "sleeve_shape": ("puff", "bell", "flutter"), "neckline": "straight",
         "length": {"regular": 2, "crop": 3}},
        {**_BLOUSE, "weight": 3, "sleeve": ("short", "elbow", "long"), "sleeve_shape": "puff",
         "neckline": ("square", "scoop", "crew", "v"), "fit": "slim",
         "length": {"regular": 2, "crop": 2}, "waist": {"none": 2, "elastic": 1, "peplum": 2},
         "flare": 0.5},
        {**_BLOUSE, "weight": 2, "sleeve": ("long", "elbow"), "sleeve_shape": "bell",
         "neckline": ("v", "boat", "crew"), "flare": 0.3},
        {**_BLOUSE, "weight": 3, "collar": "shirt", "fastening": "single", "buttons": (5, 6),
         "sleeve": ("long", "long", "elbow"), "sleeve_shape": ("set", "puff"), "hem": "curved"},
        {**_BLOUSE, "weight": 2, "fastening": "wrap", "neckline": "v", "waist": "peplum",
         "sleeve": ("long", "short", "elbow"), "sleeve_shape": ("bell", "flutter", "set"),
         "flare": 0.4, "fit": "slim"},
        {**_BLOUSE, "weight": 2, "sleeve": ("cap", "short"), "sleeve_shape": "flutter",
         "neckline": ("v", "scoop", "boat"), "waist": ("none", "peplum"), "flare": 0.5},
    ),
    "Dress": tuple(
        {
            "pattern": _PRINTS, "material": {"cotton": 4, "silk": 3, "linen": 1},
            "length": {"mini": 3, "knee": 5, "midi": 3, "maxi": 1.5},
            "fit": {"slim": 3, "regular": 4},
            "flare": (0.0, 0.15, 0.4, 0.65, 0.9),
            "waist": {"seam": 4, "belt": 2, "elastic": 2, "empire": 1, "none": 3},
            "hem": {"plain": 5, "ruffle": 1},
            **top,
        }
        for top in _ONE_PIECE_TOPS
    ),
    "Jumpsuit": tuple({**_SUIT, **top} for top in _ONE_PIECE_TOPS),
    "Romper": tuple({**_PLAYSUIT, **top} for top in _ONE_PIECE_TOPS),
}  # fmt: skip
