"""import-features, export-features, save-labels, save-features: the seed project's files."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.arguments import LOCATION
from service.cli.ingest import print_summary
from service.cli.output import (
    json_option,
    note,
    open_studio,
    print_json,
    progress_bar,
    show_building,
)
from service.domain import LabelSource
from service.storage import Location

FILE = click.Path(path_type=Path, dir_okay=False)
csv_option = click.option("--csv", required=True, type=FILE, help="Image names and labels.")
npz_option = click.option("--npz", required=True, type=FILE, help="Features, in the same order.")


@click.command("import-features")
@csv_option
@npz_option
@click.option(
    "--labels",
    type=click.Choice(["given", "predicted"]),
    default="given",
    show_default=True,
    help="Whose labels the CSV has: people's, or the bundle's own (as save-labels writes).",
)
@json_option
def import_features(csv: Path, npz: Path, labels: LabelSource, as_json: bool) -> None:
    """Take embeddings that were computed elsewhere into the catalog, without their photos.

    The CSV has the columns image_name, which becomes the garment's image_path as it is, and
    category_label, a category's name or its number from 0 in the bundle's order. The .npz has one
    array of n × 2048 floats, row by row of the same garments. They are taken as embeddings of the
    bundle that the catalog is of: those of another network cannot be compared with it.

    Garments that the catalog has already, with the same label and embedding, are left alone: a run
    that was stopped, however rudely, goes on when it is called again. Rows that cannot be stored are
    set aside with their numbers, from 1. It ends by building the similarity indexes that are due.
    """
    from service.artifacts import import_features as take_in

    with open_studio() as studio, progress_bar("import-features") as advance:
        summary = take_in(
            studio,
            csv,
            npz,
            labels=labels,
            progress=lambda s, n: advance(s.seen, n, f"{s.seen / max(s.seconds, 1e-9):.0f} rows/s"),
            building=show_building(advance),
        )
    if as_json:
        print_json(summary.as_dict())
    else:
        print_summary(summary)


@click.command("export-features")
@csv_option
@npz_option
@json_option
def export_features(csv: Path, npz: Path, as_json: bool) -> None:
    """Write every garment's image path, label and embedding to the seed project's files.

    By id; labels as numbers from 0 in the bundle's order; embeddings as float32, though the catalog
    holds float16. Whose a label is, confidence and the photo's hash are not in these files.
    """
    from service.artifacts import export_features as write
    from service.artifacts import labels_of_others

    with open_studio() as studio, progress_bar("export-features") as advance:
        count = write(studio, csv, npz, progress=advance)
        others = labels_of_others(studio)
    if as_json:
        print_json({"garments": count, "csv": str(csv), "npz": str(npz)})
    else:
        note(f"{count} garments: {csv}, {npz}")
    if others:
        note(
            f"{sum(found.count for found in others)} of the garments have a given label that the bundle "
            f"lacks, such as {others[0].label}: an import into an empty catalog refuses them or takes "
            "another label. `backup` keeps them."
        )


@click.command("save-labels")
@click.argument("source", type=LOCATION)
@csv_option
@json_option
def save_labels(source: Location, csv: Path, as_json: bool) -> None:
    """Label every photo of SOURCE, without a catalog, into a CSV.

    By the bundle that FASHION_STUDIO_MODEL names, or the one that ships. SOURCE is what ingest takes.
    Photos that cannot be read are left out.
    """
    from service.artifacts import save_all_labels

    save_all_labels(source, None, csv)
    _say(csv, as_json)


@click.command("save-features")
@click.argument("source", type=LOCATION)
@npz_option
@json_option
def save_features(source: Location, npz: Path, as_json: bool) -> None:
    """Embed every photo of SOURCE, without a catalog, into an .npz.

    By the bundle that FASHION_STUDIO_MODEL names, or the one that ships; for the catalog of another one
    name that. Its rows are those of save-labels. SOURCE is what ingest takes.
    """
    from service.artifacts import save_all_features

    save_all_features(source, None, npz)
    _say(npz, as_json)


def _say(file: Path, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file)})
    else:
        note(str(file))
