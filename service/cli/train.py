"""train: a model bundle from photos."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

import click

from service.cli.arguments import WeightType, source_options
from service.cli.output import json_option, note, print_json, progress_bar
from service.errors import InvalidParameter
from service.settings import load_settings
from service.sources import LABEL
from service.storage import Location

LARGEST = 1024  # side of a picture, pixels


@click.command()
@source_options("As ingest takes it")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="The bundle's folder.",
)
@click.option("--name", default=None, help="The bundle's name; by default its folder's.")
@click.option("--version", "version", default="1", show_default=True, help="The bundle's version.")
@click.option(
    "--backbone",
    default="xception",
    show_default=True,
    metavar="NAME",
    help="Network to train; docs/training.md names them.",
)
@click.option(
    "--weights", default="none", show_default=True, metavar="none|imagenet|shipped|BUNDLE|FILE",
    help="Start from chance, ImageNet's weights, the bundle that ships, another one's or a file's.",
)  # fmt: skip
@click.option("--group", "groups", multiple=True, metavar="COLUMN", help="Never split its values.")
@click.option("--garment", metavar="COLUMN", help="Photos of equal value show the same garment.")
@click.option("--task", "tasks", multiple=True, metavar="COLUMN", help="Learn this column as well.")
@click.option(
    "--alike", multiple=True, type=WeightType(), metavar="COLUMN[=WEIGHT]",
    help="Garments that agree in more such columns are to be more alike.",
)  # fmt: skip
@click.option(
    "--guess", multiple=True, metavar="COLUMN",
    help="Let the bundle of --weights guess this column where a photo lacks it.",
)  # fmt: skip
@click.option(
    "--min-photos", type=click.IntRange(0), default=0, show_default=True,
    help="Leave out categories with fewer.",
)  # fmt: skip
@click.option(
    "--max-photos", type=click.IntRange(3), help="Take no more of a category; a fifth is held out."
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10_000),
    default=24,
    show_default=True,
    help="Times through all photos.",
)
@click.option(
    "--patience", type=click.IntRange(1),
    help="Stop after so many epochs without gain; keep the best one.",
)  # fmt: skip
@click.option(
    "--sizes", default="80,96,112", show_default=True, help="Sides of the training pictures."
)
@click.option(
    "--input-size",
    type=click.IntRange(32, LARGEST),
    help="Side of the pictures that the bundle is served with; by default the last of --sizes.",
)
@click.option(
    "--batch", type=click.IntRange(2, 4096), default=32, show_default=True, help="Photos a step."
)
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=2e-3, show_default=True,
    help="Peak learning rate.",
)  # fmt: skip
@click.option(
    "--frozen", type=click.FloatRange(0, 1), metavar="SHARE",
    help="Leave the first share of the layers, and all batch statistics, as they are.",
)  # fmt: skip
@click.option(
    "--draws", type=click.IntRange(2),
    help="Photos drawn an epoch; by default as many as there are.",
)  # fmt: skip
@click.option(
    "--task-weight",
    type=click.FloatRange(0),
    default=0.3,
    show_default=True,
    help="Weight of the loss of each --task.",
)
@click.option(
    "--similarity", type=click.FloatRange(0), default=0.5, show_default=True,
    help="Weight of the loss that draws views of one garment together, and orders others by --alike.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(["float32", "mixed_bfloat16"]), default="mixed_bfloat16",
    show_default=True, help="How it computes while training.",
)  # fmt: skip
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of chance: another one draws other batches.",
)
@json_option
def train(
    sources: tuple[Location, ...],
    image_root: Location | None,
    out: Path,
    name: str | None,
    version: str,
    backbone: str,
    weights: str,
    groups: tuple[str, ...],
    garment: str | None,
    tasks: tuple[str, ...],
    alike: tuple[tuple[str, float], ...],
    guess: tuple[str, ...],
    min_photos: int,
    max_photos: int | None,
    epochs: int,
    patience: int | None,
    sizes: str,
    input_size: int | None,
    batch: int,
    rate: float,
    frozen: float | None,
    draws: int | None,
    task_weight: float,
    similarity: float,
    precision: str,
    seed: int,
    as_json: bool,
) -> None:
    """Train a network on labelled photos and write it as a model bundle.

    A fifth of each source is held out, whole groups at a time, and the figures on the bundle's card
    are measured on it. Called again after it was stopped, the run goes on with its last epoch.
    """
    from service.training import BACKBONES, Plan, Selection, smallest_side, train_bundle

    if backbone not in BACKBONES:
        raise InvalidParameter(f"--backbone is {backbone!r}; choose of: {', '.join(BACKBONES)}.")
    if any(map(math.isnan, (rate, task_weight, similarity, frozen or 0))):
        raise InvalidParameter("--rate, --task-weight, --similarity and --frozen are numbers.")
    if frozen is not None and weights == "none":
        raise InvalidParameter(
            "--frozen leaves what --weights gives as it is, and with none that is chance. Give --weights "
            "imagenet, shipped or a bundle."
        )
    sides, smallest = _sides(sizes), smallest_side(backbone)
    input_size = input_size or sides[-1]
    if min(*sides, input_size) < smallest:
        raise InvalidParameter(f"{backbone} takes pictures of {smallest} pixels or more.")
    if alike and not similarity:
        raise InvalidParameter("--alike bears on the loss of similarity, and --similarity is 0.")
    shares = dict(alike)
    if len(shares) < len(alike):
        raise InvalidParameter("--alike names a column twice; COLUMN=2 lets it count double.")
    if shares.keys() == {LABEL}:
        raise InvalidParameter(
            f"--alike weighs {LABEL} beside other columns: name one of them, too."
        )
    if similarity and batch % 2:
        raise InvalidParameter(
            f"--batch is {batch}; it must be even: each garment stands there twice."
        )
    name = name or Path(os.path.abspath(out)).name
    plan = Plan(
        backbone=backbone, epochs=epochs, sizes=sides, input_size=input_size, batch=batch,
        rate=rate, task_weight=task_weight, similarity=similarity, frozen=frozen,
        draws=draws, patience=patience, precision=precision, seed=seed,
    )  # fmt: skip
    with progress_bar("train") as advance:
        card = train_bundle(
            load_settings(),
            Selection(
                sources, image_root, groups, garment, tasks, shares, guess, min_photos, max_photos
            ),
            out,
            plan,
            name=name,
            version=version,
            weights=weights,
            progress=lambda what, done, total: advance(done, total, what),
            log=note,
        )
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        note(f"{out}: {card.title}, input {card.input_size} px, {len(card.labels)} labels")
        for source, figures in card.metrics["held_out"].items():
            low, high = figures["top1_interval_95"]
            note(
                f"  {source}: top-1 {figures['top1']:.3f} ({low:.3f} to {high:.3f}), "
                f"top-3 {figures['top3']:.3f}, {figures['photos']} photos held out"
            )


def _sides(sizes: str) -> tuple[int, ...]:
    with suppress(ValueError):
        if max(sides := tuple(int(side) for side in sizes.split(","))) <= LARGEST:
            return sides
    raise InvalidParameter(
        f"--sizes is {sizes!r}; give sides of {LARGEST} pixels or fewer, as 80,96."
    )
