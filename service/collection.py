"""A folder of drawn garments with a table of what they are: the demo's catalog, and training data."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from service.alone import alone
from service.disks import FULL
from service.errors import FashionStudioError, HomeNotWritable, InvalidParameter, StorageFull
from service.processes import process_pool
from service.render import (
    CATEGORIES,
    EDITION,
    GarmentSpec,
    render,
    sample_spec,
    studio_scene,
    wild_scene,
)
from service.sources import IMAGE, LABEL

TABLE, RECIPE, LOCK = "garments.csv", "recipe.json", ".lock"
DRAWN = re.compile(f"({'|'.join(CATEGORIES).lower()})-[0-9]{{5,}}(-[0-9]+)?[.](jpg|draft)")
TOGETHER = 1024  # pictures that are asked for at once: what is asked for lies in memory


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

    @property
    def pictures(self) -> int:
        return self.garments * self.views

    def name(self, picture: int) -> str:
        """The path within the folder of the picture of this number, from 0."""
        garment, view = divmod(picture, self.views)
        category = CATEGORIES[garment % len(CATEGORIES)].lower()
        return f"images/{category}-{garment:05d}{f'-{view}' if self.views > 1 else ''}.jpg"


def draw_collection(
    folder: Path, recipe: Recipe, progress: Callable[[int, int], None] = lambda done, total: None
) -> Path:
    """Draw into `folder` what is not there yet; return the table.

    The table has image_name, category_label, garment (its number) and every attribute drawn.
    Another process that draws there is waited for. Raises `HomeNotWritable`, `StorageFull`,
    `InvalidParameter` where other pictures lie there, and `FashionStudioError` where a process that draws
    was ended or cannot be started.
    """
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        with alone(folder / LOCK):
            _forget_other_recipe(folder, recipe)
            _draw_missing(folder, recipe, progress)
            return _write_table(folder, recipe)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> FashionStudioError:
    if error.errno in FULL:
        return StorageFull(
            f"There is no room in {folder}. Make room and give the same command again: what is drawn "
            "stays."
        )
    return HomeNotWritable(f"{folder} cannot be written: {error.strerror}.")


def _draw_missing(folder: Path, recipe: Recipe, progress: Callable[[int, int], None]) -> None:
    total = recipe.pictures
    missing = [i for i in range(total) if not (folder / recipe.name(i)).exists()]
    done = total - len(missing)
    try:
        with process_pool() as pool:
            for start in range(0, len(missing), TOGETHER):
                jobs = [(folder, recipe, i) for i in missing[start : start + TOGETHER]]
                for _ in pool.map(_draw, jobs):
                    done += 1
                    progress(done, total)
    except BrokenProcessPool:
        raise FashionStudioError(
            "A process that draws was ended, perhaps for want of memory. Give the same command again: "
            "what is drawn stays."
        ) from None
    except OSError as error:
        raise FashionStudioError(
            f"No process can be started to draw: {error.strerror or error}."
        ) from None


def _draw(job: tuple[Path, Recipe, int]) -> None:
    """Raises as `draw_collection` where the picture cannot be written; then it is not there."""
    folder, recipe, picture = job
    garment, view = divmod(picture, recipe.views)
    rng = np.random.default_rng((recipe.seed, garment, 1 + view))
    scene = studio_scene(rng) if recipe.scenes == "studio" else wild_scene(rng)
    jpeg = io.BytesIO()  # on a full disk Pillow leaves the half of a file, and says nothing
    render(_spec(recipe, garment), scene, recipe.size).save(jpeg, "JPEG", quality=88)
    path = folder / recipe.name(picture)
    draft = path.with_suffix(".draft")
    try:
        draft.write_bytes(jpeg.getvalue())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _unwritable(folder, error) from None


def _spec(recipe: Recipe, garment: int) -> GarmentSpec:
    rng = np.random.default_rng((recipe.seed, garment))
    return sample_spec(rng, CATEGORIES[garment % len(CATEGORIES)])


def _write_table(folder: Path, recipe: Recipe) -> Path:
    attributes = [field.name for field in fields(GarmentSpec) if field.name != "category"]
    draft = folder / f".{TABLE}.draft"
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [IMAGE, LABEL, "garment", *attributes], lineterminator="\n")
        writer.writeheader()
        for garment in range(recipe.garments):
            shown = _spec(recipe, garment).to_dict()
            row = {LABEL: shown.pop("category"), "garment": garment} | shown
            first = garment * recipe.views
            for picture in range(first, first + recipe.views):
                writer.writerow({IMAGE: recipe.name(picture)} | row)
    return draft.replace(folder / TABLE)


def _forget_other_recipe(folder: Path, recipe: Recipe) -> None:
    """Remove pictures drawn by another recipe or edition; a larger one of the same kind is kept, and so
    is what is not called as drawn pictures are: people lay photos of theirs beside them."""
    wanted = asdict(recipe) | {"edition": EDITION}
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
