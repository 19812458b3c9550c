"""classify, similar, top: the questions."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from service.cli.output import json_option, note, open_studio, print_json, print_table, save_picture
from service.decode import Limits, decode, fit, read
from service.domain import LabelCount, Prediction, Recommendation
from service.encoder import load_encoder
from service.errors import FashionStudioError, ImageMissing, InvalidParameter
from service.recommend import (
    Query,
    similar_to_garment,
    similar_to_photo,
    top_categories,
)
from service.settings import load_settings
from service.sources import images_in
from service.summary import printable

FILE = click.Path(path_type=Path)
UNRECOGNISED = "no garment recognised"
show_option = click.option(
    "--show", type=FILE, metavar="FILE.png", help="Draw the answer as a picture."
)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FILE)
@json_option
def classify(paths: tuple[Path, ...], as_json: bool) -> int:
    """Label and confidence of each image. A folder stands for its images.

    By the bundle that FASHION_STUDIO_MODEL names, or the one that ships: no catalog is asked. Where no
    garment is recognised the confidence is that of the best guess; --json has all guesses.
    Exit 1 where an image cannot be read; the others are still answered.
    """
    settings = load_settings()
    encoder = load_encoder(settings)
    limits = Limits.of(settings)
    side = encoder.card.input_size

    def predict(path: Path) -> Prediction:
        return encoder.predict(fit(decode(read(path, limits), limits, side=side).pixels, side))

    images = [_answer(path, predict) for path in _expand(paths)]
    if as_json:
        print_json({"images": images})
    else:
        print_table(
            ("label", "confidence", "image"),
            [
                (image["label"] or UNRECOGNISED, f"{image['confidence']:.1%}", image["path"])
                for image in images
                if "label" in image
            ],
        )
    return _report_errors(images)


@click.command()
@click.argument("path", required=False, type=FILE)
@click.option("--id", "garment_id", type=int, help="Ask about a catalog garment.")
@click.option("--random", "at_random", is_flag=True, help="Ask about any catalog garment.")
@click.option("-n", "n", type=int, default=9, show_default=True, help="Matches, 1 to 100.")
@click.option("--label", default="auto", show_default=True, help="auto, any, or NAME[,NAME].")
@click.option("--mass", type=float, help="Search every label needed to reach this probability.")
@click.option("--min-similarity", type=float, help="Leave out matches below this cosine.")
@click.option("--exact", is_flag=True, help="Use no approximate index.")
@click.option(
    "--among",
    help="Only garments that your views or tables among_NAME name.",
    metavar="NAME[,NAME]",
)
@show_option
@json_option
def similar(
    path: Path | None,
    garment_id: int | None,
    at_random: bool,
    n: int,
    label: str,
    mass: float | None,
    min_similarity: float | None,
    exact: bool,
    among: str | None,
    show: Path | None,
    as_json: bool,
) -> None:
    """More like this: the catalog's garments most similar to a photo or a garment."""
    if sum((path is not None, garment_id is not None, at_random)) != 1:
        raise click.UsageError("Give one of PATH, --id N and --random.")
    query = Query(n, label, mass, min_similarity, exact, among)
    with open_studio() as studio:
        if path is not None:
            image = studio.decode(read(path, studio.limits))
            answer = similar_to_photo(studio, image, query)
        else:
            answer = similar_to_garment(studio, garment_id, query)
        name = str(path) if answer.garment is None else answer.garment.image_path
        if show is not None:
            from service.show import read_if_there, recommendation_sheet

            asked = (
                read(path, studio.limits)
                if path is not None
                else read_if_there(studio.images.read, name)
            )
            save_picture(
                recommendation_sheet(asked, answer, studio.images.read, studio.limits), show
            )
    if as_json:
        print_json(answer.as_dict())
    else:
        print_recommendation(answer, name)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FILE)
@click.option("-k", "k", type=int, default=None, help="How many categories; by default all.")
@show_option
@json_option
def top(paths: tuple[Path, ...], k: int | None, show: Path | None, as_json: bool) -> None:
    """The most common categories of a set of images. A folder stands for its images.

    Images in which no garment is recognised do not count.
    """
    if k is not None and not 1 <= k <= 10**9:
        raise InvalidParameter(f"k is {k}; it must be from 1 to 1,000,000,000.")
    with open_studio() as studio:
        model = studio.model  # one for all of them, also where another takes over
        images = [
            _answer(path, lambda file: model.predict(model.decode(read(file, model.limits))))
            for path in _expand(paths)
        ]
        read_well = [image for image in images if "label" in image]
        labels = [image["label"] for image in read_well if image["recognised"]]
        counts, limits = top_categories(studio, labels, k), studio.limits
    if as_json:
        print_json(
            {
                "images": images,
                "top": [count.as_dict() for count in counts],
            }
        )
    else:
        print_top(counts)
        if unrecognised := len(read_well) - len(labels):
            note(f"In {unrecognised} of {len(images)} images no garment was recognised.")
    code = _report_errors(images)
    if show is not None and read_well:
        from service.show import set_sheet

        drawn = [(Path(image["path"]), image["label"], image["confidence"]) for image in read_well]
        unread = len(images) - len(drawn)
        save_picture(set_sheet(drawn, counts, partial(read, limits=limits), unread, limits), show)
    if code and not read_well:
        raise SystemExit(code)


def print_recommendation(answer: Recommendation, name: str) -> None:
    if not answer.searched_labels:
        click.echo(
            printable(
                f"{name}: no garment recognised; --label any asks for the nearest all the same."
            )
        )
        return
    if answer.garment is not None:
        asked = f"{answer.garment.label}, a {answer.garment.label_source} label"
    else:
        asked = ", ".join(f"{scored.label} {scored.confidence:.0%}" for scored in answer.labels[:3])
        if not answer.recognised:
            asked = f"{UNRECOGNISED}; guesses {asked}"
    print_table(
        ("#", "similarity", "label", "id", "image"),
        [
            (str(rank), f"{match.similarity:.4f}", match.label, str(match.id), match.image_path)
            for rank, match in enumerate(answer.matches, start=1)
        ],
        title=f"More like {name}\n{asked}; searched {', '.join(answer.searched_labels)}, "
        f"{answer.method}, {answer.model}",
    )


def print_top(counts: list[LabelCount]) -> None:
    print_table(
        ("label", "count", "share"),
        [(count.label, str(count.count), f"{count.share:.1%}") for count in counts],
    )


def _expand(paths: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = list(images_in(path)) if os.path.isdir(path) else [path]
        if not found:
            raise ImageMissing(f"There is no image in {path}.")
        files += found
    return files


def _answer(path: Path, predict: Any) -> dict[str, Any]:
    try:
        prediction: Prediction = predict(path)
    except FashionStudioError as error:
        if error.is_ours:
            raise
        return {"path": str(path), "error": error.detail}
    return {"path": str(path), **prediction.as_dict()}


def _report_errors(images: list[dict[str, Any]]) -> int:
    broken = [image for image in images if "error" in image]
    for image in broken:
        note(f"fashion-studio: {image['path']}: {image['error']}")
    return 1 if broken else 0
