"""demo and render: a catalog of drawn garments."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import click

from service.cli.ask import print_recommendation
from service.cli.output import (
    json_option,
    note,
    open_studio,
    print_json,
    progress_bar,
    save_picture,
    show_building,
)
from service.errors import InvalidParameter

MOST = 1_000_000  # pictures in a folder


@click.command()
@click.option(
    "--garments",
    type=click.IntRange(11, 100_000),
    default=600,
    show_default=True,
    help="How many to draw.",
)
@click.option("--no-serve", is_flag=True, help="Stop after printing one sample recommendation.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="Of the page, on this machine.",
)
@json_option
def demo(garments: int, no_serve: bool, port: int, as_json: bool) -> None:
    """Draw a catalog of garments, take it in, show one recommendation, and serve the page.

    What is there already is kept: a second call takes seconds.
    """
    from service.demo import build_demo, sample
    from service.show import read_if_there, recommendation_sheet
    from service.web.ports import require_free_port

    if not no_serve:
        require_free_port("127.0.0.1", port)
    with open_studio() as studio:
        with progress_bar("demo") as advance:
            summary = build_demo(
                studio,
                garments,
                lambda what, done, total: advance(done, total, what),
                show_building(advance),
            )
        if summary.rejects:
            note(f"{len(summary.rejects)} pictures were rejected; see the table import_error.")
        answer = sample(studio)
        assert answer.garment is not None
        picture = studio.settings.folder("demo") / "sample.png"
        read = studio.images.read
        asked = read_if_there(read, answer.garment.image_path)
        save_picture(recommendation_sheet(asked, answer, read, studio.limits), picture)
    if as_json:
        print_json(answer.as_dict())
    else:
        print_recommendation(answer, answer.garment.image_path)
        note(f"The same as a picture: {picture}")
    if not no_serve:
        # The server forks, and the network's threads would not survive it: a new process takes over.
        command = [sys.executable, "-P", "-m", "service.cli", "serve", "--port", str(port)]
        os.execv(sys.executable, command)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--garments",
    type=click.IntRange(1, MOST),
    default=600,
    show_default=True,
    help="How many.",
)
@click.option(
    "--views", type=click.IntRange(1, 100), default=1, show_default=True, help="Pictures of each."
)
@click.option(
    "--scenes",
    type=click.Choice(["studio", "wild"]),
    default="studio",
    show_default=True,
    help="On a plain ground, or in rooms as phones show them.",
)
@click.option(
    "--size",
    type=click.IntRange(32, 2048),
    default=300,
    show_default=True,
    help="Short side, pixels.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Another one draws others."
)
@json_option
def render(
    folder: Path,
    garments: int,
    views: int,
    scenes: Literal["studio", "wild"],
    size: int,
    seed: int,
    as_json: bool,
) -> None:
    """Draw garments into FOLDER with a table of what they are: garments.csv."""
    from service.collection import Recipe, draw_collection

    recipe = Recipe(garments, views, scenes, size, seed)
    if recipe.pictures > MOST:
        raise InvalidParameter(
            f"--garments {garments} and --views {views} are {recipe.pictures} pictures; draw {MOST} at "
            "most into a folder."
        )
    with progress_bar("drawing garments") as advance:
        table = draw_collection(folder, recipe, advance)
    if as_json:
        print_json({"table": str(table), "images": recipe.pictures})
    else:
        note(f"{recipe.pictures} pictures; what they show: {table}")
