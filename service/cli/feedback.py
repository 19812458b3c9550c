"""feedback: what people said of matches."""

from __future__ import annotations

from pathlib import Path

import click

from service.catalog import analysis_standing
from service.cli.output import json_option, note, open_studio, print_json, progress_bar
from service.feedback import PAIRS, export_feedback


@click.group()
def feedback() -> None:
    """Use what people said of matches, good or bad."""


@feedback.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--photos", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="DIR",
    help="Where uploaded photos lie that were asked about; they are known by their bytes.",
)  # fmt: skip
@json_option
def export(folder: Path, photos: Path | None, as_json: bool) -> None:
    """Write the judged pictures to FOLDER, with a table that train reads.

    `train --data FOLDER/feedback.csv --group group --task alike` learns from it. All that was judged
    together, or shows nearly the same picture, is one group and never split: run `analytics duplicates
    --refresh` first, so that near-duplicates in the catalog are known; uploads are compared here.
    pairs.csv has the pairs, the bad ones too.
    """
    with open_studio() as studio, progress_bar("pictures") as advance:
        stands = analysis_standing(studio.engine, studio.settings.duplicate_similarity)
        if stands.complaint is not None:
            note(f"warning: near-duplicates may be missed. {stands.complaint}")
        done = export_feedback(studio, folder, photos=photos, progress=advance)
    if as_json:
        print_json(done.as_dict())
        return
    note(
        f"{done.pairs} pairs, {done.good} of them good, of {done.pictures} pictures in {done.groups} "
        f"groups: {done.table}, {folder / PAIRS}"
    )
    if done.undecided:
        note(f"{done.undecided} pairs are left out: as many said good as bad.")
    if done.missing:
        note(f"{done.missing} pairs are left out: a picture is not to be had. See --photos.")
    if done.unreadable:
        note(f"{done.unreadable} photos of {photos} cannot be read and are left out.")
