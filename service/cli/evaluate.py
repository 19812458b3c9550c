"""evaluate and calibrate: how good a bundle is, how sure it may be, and what it should refuse."""

from __future__ import annotations

import json
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click

from service.cli.arguments import groups_option, source_options
from service.cli.output import json_option, note, print_json, print_table, progress_bar
from service.drafts import drafts
from service.encoder import read_card
from service.errors import InvalidParameter, SourceInvalid
from service.settings import Settings, load_settings
from service.storage import Location
from service.summary import printable

BUNDLE = click.Path(path_type=Path, file_okay=False)
GARMENT, ATTRIBUTES = "garment", ("family", "pattern", "sleeve")  # columns of drawn garments
DRAWN = ("garments drawn for this", 220, 3)  # what is evaluated on without --data: garments, views


@click.command()
@click.argument("bundle", type=BUNDLE)
@source_options("As given to train; by default drawn garments", required=False)
@groups_option
@click.option("--all", "whole", is_flag=True, help="Every photo, not only those train holds out.")
@click.option(
    "--compare", multiple=True, type=BUNDLE, metavar="BUNDLE", help="Side by side with it."
)
@click.option(
    "--garment", default=GARMENT, show_default=True, metavar="COLUMN",
    help="Photos with the same value show the same garment.",
)  # fmt: skip
@click.option(
    "--attribute", "attributes", multiple=True, default=ATTRIBUTES,
    show_default=True, metavar="COLUMN", help="What neighbours should agree in.",
)  # fmt: skip
@click.option("--by", metavar="COLUMN", help="Tells photos without a label apart.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Where to save.")
@json_option
def evaluate(
    bundle: Path,
    sources: tuple[Location, ...],
    image_root: Location | None,
    groups: tuple[str, ...],
    whole: bool,
    compare: tuple[Path, ...],
    garment: str,
    attributes: tuple[str, ...],
    by: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """How good a bundle is on photos that it was not trained on.

    Prints the figures, and saves them as evaluation.json and as a page, evaluation.html. The photos
    are the fifth of each SOURCE that train holds out, where SOURCE and --group are those of the
    training; --all takes all of them. Photos without a label stand for what is no garment.
    """
    from service.training.data import read_samples, require_column, telling
    from service.training.evaluate import evaluate as measure
    from service.training.held_out import split
    from service.training.learnt import learnt_by
    from service.training.page import write_page

    for option, given in (("--image-root", image_root), ("--group", groups), ("--all", whole)):
        if given and not sources:
            raise InvalidParameter(f"{option} belongs to --data.")
    settings = load_settings()
    bundles = (bundle, *compare)
    cards = [read_card(one) for one in bundles]
    folder = out or settings.folder("evaluations") / re.sub(r"[\0/]", "-", cards[0].title)
    _make(folder)  # before minutes of measuring
    with progress_bar("evaluate") as advance:
        if sources:
            samples = read_samples(sources, image_root=image_root, groups=groups)
            for column in _named(garment, attributes, by):
                require_column(samples, [column])
            # Split as train splits, which all of the photos have a say in, and then those that tell something
            chosen = telling(samples)[0] if whole else telling(*split(samples))[1]
            photos = "all photos" if whole else "held-out photos"
            if samples and not chosen:
                raise SourceInvalid(
                    "train holds none of these photos out: they are too few, or --group holds too many "
                    "together. --all takes every photo."
                )
        else:
            chosen = read_samples([_drawn(settings, cards[0].labels, advance)], groups=(garment,))
            photos = DRAWN[0]
        reports = []
        for one, card in zip(bundles, cards, strict=True):
            doubt = learnt_by(one, card).doubt(chosen) if sources else None
            if doubt is not None:
                note(doubt)
            report = measure(
                one, settings, chosen, garment=garment, attributes=attributes, by=by,
                progress=partial(advance, text=card.title),
            )  # fmt: skip
            reports.append(report | {"doubt": doubt})
    said = {"photos": photos, "data": [str(source) for source in sources], "bundles": reports}
    text = printable(json.dumps(said, ensure_ascii=False, indent=2)) + "\n"
    document = json.loads(text)
    with drafts(folder / "evaluation.json", folder / "evaluation.html") as (figures, page):
        figures.write_text(text, encoding="utf-8")
        write_page(page, document)
    if as_json:
        print_json(document)
    else:
        _print(document)
    note(f"{folder / 'evaluation.html'}")


def _named(garment: str, attributes: tuple[str, ...], by: str | None) -> list[str]:
    """The columns that someone asked for: those of drawn garments, which are meant by default, may lack."""
    own = [column for column in (*attributes, garment) if column not in (*ATTRIBUTES, GARMENT)]
    return own if by is None else [*own, by]


@click.command()
@click.argument("bundle", type=BUNDLE)
@source_options("As given to train")
@groups_option
@click.option(
    "--keep", type=float, default=0.98, show_default=True,
    help="Share of each source's held-out garments that must be recognised.",
)  # fmt: skip
@json_option
def calibrate(
    bundle: Path,
    sources: tuple[Location, ...],
    image_root: Location | None,
    groups: tuple[str, ...],
    keep: float,
    as_json: bool,
) -> None:
    """Make a bundle's confidence honest, and teach it what is no garment of its labels.

    train does this at its end. SOURCE and --group are those of the training; photos without a label
    show what is to be refused. Weights stay as they are, and so do the embeddings of a catalog.
    """
    from service.training.calibrate import calibrate as fit

    if not 0.5 <= keep <= 1:
        raise InvalidParameter(f"--keep is {keep:g}; it must be from 0.5 to 1.")
    with progress_bar("calibrate") as advance:
        card = fit(
            load_settings(), bundle, sources, image_root=image_root, groups=groups, keep=keep,
            progress=lambda what, done, total: advance(done, total, what), log=note,
        )  # fmt: skip
    assert card.calibration is not None
    if as_json:
        print_json(card.calibration.model_dump(mode="json"))
        return
    fitted = card.calibration.temperature != 1
    note(f"{bundle}: temperature {card.calibration.temperature:g}")
    for name, row in (card.calibration.measured["sources"] or {}).items():
        rejected = row.get("rejected_without_label")
        after = f"{row['calibration_error_after']:.3f}"
        note(
            f"  {name}: calibration error {row['calibration_error_before']:.3f}"
            + (f" before, {after} after" if fitted else f", {after} by the one that was fitted")
            + f"; recognised {row['recognised']['share']:.1%}"
            + (f", refused without a label {rejected['share']:.1%}" if rejected else "")
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InvalidParameter(f"{folder} cannot be written: {error.strerror}.") from None


def _drawn(settings: Settings, labels: tuple[str, ...], advance: Any) -> Path:
    from service.collection import Recipe, draw_collection
    from service.render import CATEGORIES

    if not set(labels) <= set(CATEGORIES):
        raise SourceInvalid("This bundle's labels are not those that can be drawn: give --data.")
    _, garments, views = DRAWN
    recipe = Recipe(garments=garments, views=views, scenes="wild", size=224, seed=20_001)
    folder = settings.folder("evaluations", "drawn")
    return draw_collection(folder, recipe, lambda done, total: advance(done, total, "drawing"))


def _print(document: dict[str, Any]) -> None:
    from service.training.page import summary

    columns, rows = summary(document)
    print_table(("", *columns), rows, title=f"On {document['photos']}, with 95 % intervals\n")
    first = document["bundles"][0]
    for name, figures in first["sources"].items():
        click.echo("")
        print_table(
            ("category", "photos", "recall", "95 % ", "precision", "95 %", "taken for"),
            [
                (
                    label, str(row["photos"]), *_cell(row, "recall"), *_cell(row, "precision"),
                    _taken_for(first["labels"], figures["confusion"], place),
                )
                for place, (label, row) in enumerate(figures["categories"].items())
                if row["photos"] or row["named"]
            ],
            title=f"{first['bundle']} on {name}",
        )  # fmt: skip
    for report in document["bundles"]:
        if report["unreadable"]:
            note(f"{report['unreadable']} photos cannot be read and are left out.")
        if report["unknown_labels"]:
            note(
                f"{report['of_unknown_labels']} photos are left out: {report['bundle']} does not "
                f"know their labels: {', '.join(report['unknown_labels'][:10])}."
            )


def _cell(row: dict[str, Any], name: str) -> tuple[str, str]:
    if row[name] is None:
        return "–", ""
    low, high = row[f"{name}_interval_95"]
    return f"{row[name]:.2f}", f"{low:.2f} to {high:.2f}"


def _taken_for(labels: list[str], confusion: list[list[int]], place: int) -> str:
    """The two labels that photos of one are most often taken for."""
    wrong = [(count, label) for label, count in zip(labels, confusion[place], strict=True)]
    wrong.pop(place)
    worst = sorted(wrong, key=lambda pair: -pair[0])[:2]
    return ", ".join(f"{label} {count}" for count, label in worst if count)
