"""How a garment was photographed: pose, light, background and camera."""

from dataclasses import dataclass

import numpy as np

from service.render.palette import jitter, mix

WIDTH, HEIGHT = 480, 640
"""Size of the drawing in its own units; pictures keep this 3:4 ratio."""

_PAPERS = ("#f3f0ea", "#f7f6f3", "#e9e6e0", "#eef0f2", "#f1e7e2", "#e6ebe4", "#e4e9ef", "#f0ead9",
           "#ebe3ea", "#dfe6e6", "#efe0d6")  # fmt: skip
_WOODS = ("#b98a5b", "#8a5d3b", "#c9a678", "#a9a39b", "#5d4030", "#c08a48", "#d8c3a0", "#8c8780")
_CLOTHS = ("#e9e4dc", "#b3202e", "#a2195b", "#4b4f57", "#33424f", "#d8b9b4", "#7c8f7a", "#d99a4e",
           "#cfd6dd", "#8d6b9c", "#2a2b30", "#c7a98b", "#e6d6b8", "#7a2a3a", "#f4f1ee")  # fmt: skip
_CARPETS = ("#8c8b86", "#c9bfb0", "#5f5a52", "#3a3f55", "#b7a58d", "#7a5b45", "#d9d4c8", "#46505c")
_WALLS = ("#c9c6c2", "#b9b7b5", "#e3ddd2", "#d6c49a", "#9fa6ab", "#efece8", "#d3b58c", "#aaa5a1")


@dataclass(frozen=True)
class Scene:
    """One way to photograph a garment; lengths are shares of the frame unless told otherwise.

    seed: draws folds and disorder; size: share of the frame that the garment fills; turn and
    lean: rotation and shear in degrees; squash: height by width of the view, 1 seen from
    above; shift_x, shift_y: offset of the garment; spread: sleeves hanging (0) to stretched
    (1); bend: degrees by which the forearms turn in; slump: sideways disorder of the cut in
    units of cloth; light_from: degrees, direction of the light; light: strength of its fall-off;
    warmth: -1 blue to 1 orange; exposure: -1 black to 1 white; contrast: factor around the mean,
    1 as is; shadow, wrinkle, vignette, grain: strengths in 0..1; blur: radius as a share of
    the short side; backdrop: paper, wall, door, wood, tiles, carpet, sheet or blanket; tone,
    accent: its colours; grid: angle of its planks or tiles in degrees; hanger: whether the
    garment hangs; clutter: number of stray objects.
    """

    seed: int
    size: float
    turn: float
    lean: float
    squash: float
    shift_x: float
    shift_y: float
    spread: float
    bend: float
    slump: float
    light_from: float
    light: float
    warmth: float
    exposure: float
    contrast: float
    shadow: float
    wrinkle: float
    vignette: float
    grain: float
    blur: float
    backdrop: str
    tone: str
    accent: str
    grid: float
    hanger: bool
    clutter: int


def studio_scene(rng: np.random.Generator) -> Scene:
    """A clean catalog picture: paper background, soft shadow, small rotation."""
    tone = jitter(rng, str(rng.choice(_PAPERS)), 0.5)
    return Scene(
        seed=int(rng.integers(1_000_000)),
        size=float(rng.uniform(0.83, 0.89)),
        turn=float(rng.normal(0, 1.2)),
        lean=0.0,
        squash=1.0,
        shift_x=0.0,
        shift_y=float(rng.normal(0, 0.004)),
        spread=float(rng.uniform(0.0, 0.35)),
        bend=float(rng.uniform(0, 14)),
        slump=1.2,
        light_from=float(rng.uniform(205, 245)),
        light=float(rng.uniform(0.04, 0.14)),
        warmth=float(rng.normal(0.05, 0.1)),
        exposure=0.0,
        contrast=1.0,
        shadow=float(rng.uniform(0.35, 0.5)),
        wrinkle=float(rng.uniform(0.3, 0.5)),
        vignette=0.0,
        grain=0.0,
        blur=0.0,
        backdrop="paper",
        tone=tone,
        accent=mix(tone, "#ffffff", 0.5),
        grid=0.0,
        hanger=False,
        clutter=0,
    )


_BACKDROPS = {
    "wood": (0.25, _WOODS),
    "sheet": (0.24, _CLOTHS),
    "carpet": (0.13, _CARPETS),
    "wall": (0.12, _WALLS),
    "paper": (0.09, _CLOTHS + _PAPERS),
    "tiles": (0.06, ("#d9cbb2", "#cfcac2", "#e6dfd0", "#b9b2a6")),
    "door": (0.05, ("#e6e1d6", "#a8733f", "#7a4a2b", "#cdb48a", "#f2f0ea")),
    "blanket": (0.06, _CLOTHS),
}


def wild_scene(rng: np.random.Generator) -> Scene:
    """A phone picture: any floor, bed or hanger, crooked, creased, in any light."""
    kinds = list(_BACKDROPS)
    kind = str(rng.choice(kinds, p=[_BACKDROPS[k][0] for k in kinds]))
    hanger = kind in ("wall", "door") or rng.random() < 0.08
    rough = rng.random()
    turn = rng.normal(0, 2.5 if hanger else 7)
    if not hanger and rng.random() < 0.06:
        turn += rng.choice([-90, 90, 180])
    tone = jitter(rng, str(rng.choice(_BACKDROPS[kind][1])), 2.0)
    accents = _CLOTHS if kind == "blanket" else ("#ffffff", "#000000", "#c8a070", "#8090a0")
    return Scene(
        seed=int(rng.integers(1_000_000)),
        size=float(np.clip(rng.normal(0.93, 0.09), 0.62, 1.12)),
        turn=float(turn),
        lean=float(rng.normal(0, 4)),
        squash=float(rng.uniform(0.8, 1.15)),
        shift_x=float(rng.normal(0, 0.02)),
        shift_y=float(rng.normal(0, 0.02)),
        spread=float(rng.beta(1, 4) if hanger else rng.beta(1.2, 2.2)),
        bend=float(rng.normal(6, 12) if rng.random() < 0.75 else rng.uniform(15, 70)),
        slump=float(1.5 + 5 * rough),
        light_from=float(rng.uniform(0, 360)),
        light=float(0.55 * rng.beta(1, 2)),
        warmth=float(np.clip(rng.normal(0.1, 0.4), -1, 1)),
        exposure=float(np.clip(rng.normal(0.06, 0.2), -0.45, 0.5)),
        contrast=float(rng.uniform(1.0, 1.4)),
        shadow=float(rng.uniform(0.15, 0.8)),
        wrinkle=float(np.clip(0.3 + 0.7 * rough + rng.normal(0, 0.1), 0.15, 1)),
        vignette=float(0.6 * rng.beta(1, 3)),
        grain=float(rng.beta(1, 3)),
        blur=float(rng.choice([0, 0, 0, 0.002, 0.004])),
        backdrop=kind,
        tone=tone,
        accent=mix(tone, str(rng.choice(accents)), float(rng.uniform(0.25, 0.8))),
        grid=float(rng.choice([0, 90, 45, 0, 90]) + rng.normal(0, 6)),
        hanger=bool(hanger),
        clutter=int(rng.choice([0, 0, 0, 1, 2])),
    )
