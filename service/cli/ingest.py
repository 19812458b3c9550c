"""ingest: photos into the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from service.cli.output import (
    json_option,
    note,
    open_studio,
    print_json,
    progress_bar,
    show_building,
)
from service.errors import InvalidParameter
from service.ingest import BATCH, Summary
from service.ingest import ingest as take_in

SHOWN = 10  # rejects named for people; the JSON and the table import_error have them all


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    type=click.Choice(["given", "predicted"]),
    default="given",
    show_default=True,
    help="Whose labels: the source's where it has them, or always the model's.",
)
@click.option(
    "--image-root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where a table's paths start; by default at the table's folder.",
)
@click.option("--batch-size", type=int, default=BATCH, show_default=True, help="Photos a commit.")
@click.option("--dry-run", is_flag=True, help="Read and compare only; change nothing.")
@json_option
def ingest(
    source: Path,
    labels: Literal["given", "predicted"],
    image_root: Path | None,
    batch_size: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take photos into the catalog.

    SOURCE is a folder of images, a folder of one folder per category, a CSV or Parquet file with the
    column image_name (and category_label), or a DeepFashion annotation folder. A run that was
    stopped, however rudely, goes on where its last commit ended when it is called again. It ends by
    building the similarity indexes that are due.
    """
    if not 1 <= batch_size <= 10_000:
        raise InvalidParameter(f"--batch-size is {batch_size}; it must be from 1 to 10000.")
    with open_studio() as studio, progress_bar("ingest") as advance:
        summary = take_in(
            studio,
            source,
            labels=labels,
            image_root=image_root,
            batch_size=batch_size,
            dry_run=dry_run,
            progress=lambda s: advance(s.seen, None, f"{s.seen / max(s.seconds, 1e-9):.0f}/s"),
            building=show_building(advance),
        )
    if as_json:
        print_json(summary.as_dict())
    else:
        print_summary(summary, dry_run)


def print_summary(summary: Summary, dry_run: bool = False) -> None:
    for reject in summary.rejects[:SHOWN]:
        note(f"rejected: {reject['image_path']}: {reject['reason']}")
    if len(summary.rejects) > SHOWN:
        note(f"rejected: {len(summary.rejects) - SHOWN} more; see the table import_error.")
    click.echo(
        f"{'would have ' if dry_run else ''}seen {summary.seen}: added {summary.added}, "
        f"updated {summary.updated}, unchanged {summary.unchanged}, "
        f"rejected {len(summary.rejects)}; {summary.seconds:.1f} s"
    )
