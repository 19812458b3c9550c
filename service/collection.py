"""A folder of drawn garments with a table of what they are: the demo's catalog, and training data."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from service.alone import alone
from service.errors import FashionStudioError, HomeNotWritable, InvalidParameter
from service.processes import process_pool
from service.render import CATEGORIES, render, sample_spec, studio_scene, wild_scene
from service.sources import IMAGE, LABEL

TABLE, RECIPE, LOCK = "garments.csv", "recipe.json", ".lock"
DRAWN = re.compile(f"({'|'.join(CATEGORIES).lower()})-[0-9]{{5,}}(-[0-9]+)?[.]jpg")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to draw; the same recipe gives the same files.

    garments: how many, dealt out evenly over the categories. views: pictures of each, every one in
    a scene of its own. scenes: `studio`, clean and calm, or `wild`, as phones take them.
    size: short side in pixels.
    """

    garments: int = 600
    views: int = 1
    scenes: Literal["studio", "wild"] = "studio"
    size: int = 300
    seed: int = 0

    def names(self) -> list[str]:
        """Every picture's path within the folder."""
        return [
            f"images/{CATEGORIES[i % len(CATEGORIES)].lower()}-{i:05d}"
            + (f"-{view}.jpg" if self.views > 1 else ".jpg")
            for i in range(self.garments)
            for view in range(self.views)
        ]


def draw_collection(
    folder: Path, recipe: Recipe, progress: Callable[[int, int], None] = lambda done, total: None
) -> Path:
    """Draw into `folder` what is not there yet; return the table.

    The table has image_name, category_label, garment (its number) and every attribute drawn.
    Another process that draws there is waited for. Raises `HomeNotWritable`, `InvalidParameter` where
    other pictures lie there, and `FashionStudioError` where a process that draws was ended.
    """
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        with alone(folder / LOCK):
            _forget_other_recipe(folder, recipe)
            _draw_missing(folder, recipe, progress)
            return _write_table(folder, recipe)
    except BrokenProcessPool:
        raise FashionStudioError(
            "A process that draws was ended, perhaps for want of memory. Give the same command again: "
            "what is drawn stays."
        ) from None
    except OSError as error:
        raise HomeNotWritable(f"{folder} cannot be written: {error.strerror}.") from None


def _draw_missing(folder: Path, recipe: Recipe, progress: Callable[[int, int], None]) -> None:
    names = recipe.names()
    missing = [i for i, name in enumerate(names) if not (folder / name).exists()]
    done = len(names) - len(missing)
    jobs = [(str(folder / names[i]), recipe, i // recipe.views, i % recipe.views) for i in missing]
    with process_pool() as pool:
        for _ in pool.map(_draw, jobs, chunksize=8):
            done += 1
            progress(done, len(names))


def _draw(job: tuple[str, Recipe, int, int]) -> None:
    path, recipe, garment, view = job
    rng = np.random.default_rng((recipe.seed, garment, 1 + view))
    scene = studio_scene(rng) if recipe.scenes == "studio" else wild_scene(rng)
    draft = Path(path).with_suffix(".draft")
    render(_spec(recipe, garment), scene, recipe.size).save(draft, "JPEG", quality=88)
    draft.replace(path)


def _spec(recipe: Recipe, garment: int) -> Any:
    rng = np.random.default_rng((recipe.seed, garment))
    return sample_spec(rng, CATEGORIES[garment % len(CATEGORIES)])


def _write_table(folder: Path, recipe: Recipe) -> Path:
    rows = []
    for index, name in enumerate(recipe.names()):
        attributes = _spec(recipe, index // recipe.views).to_dict()
        category = attributes.pop("category")
        rows.append({IMAGE: name, LABEL: category, "garment": index // recipe.views} | attributes)
    draft = folder / f".{TABLE}.draft"
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return draft.replace(folder / TABLE)


def _forget_other_recipe(folder: Path, recipe: Recipe) -> None:
    """Remove pictures drawn by another recipe or version; a larger one of the same kind is kept, and so
    is what is not called as drawn pictures are: people lay photos of theirs beside them."""
    wanted = asdict(recipe) | {"drawn_by": version("fashion-studio")}
    wanted.pop("garments")
    note = folder / RECIPE
    if note.exists() and _recipe(note) == wanted:
        return
    if not note.exists() and (any((folder / "images").iterdir()) or (folder / TABLE).exists()):
        raise InvalidParameter(
            f"{folder} holds other pictures, which drawn ones would replace. Name another folder."
        )
    # At first: a run that is stopped would leave it beside other pictures
    (folder / TABLE).unlink(missing_ok=True)
    for old in (folder / "images").iterdir():
        if DRAWN.fullmatch(old.name):
            old.unlink()
    draft = folder / f".{RECIPE}.draft"
    draft.write_text(json.dumps(wanted) + "\n")
    draft.replace(note)


def _recipe(note: Path) -> Any:
    try:
        return json.loads(note.read_text())
    except ValueError:  # damaged: what it drew may be anything
        return None
