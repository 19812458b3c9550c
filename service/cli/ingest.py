"""ingest: photos into the catalog."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import click

from service.cli.arguments import LOCATION, image_root_option
from service.cli.output import (
    json_option,
    note,
    open_studio,
    print_json,
    progress_bar,
    show_building,
)
from service.errors import ExtraMissing, InvalidParameter, PruneRefused
from service.extent import Gone
from service.ingest import BATCH, Summary
from service.ingest import ingest as take_in
from service.intake import Engine, outcomes
from service.processes import Stop
from service.storage import Location
from service.watch import Keeping, Watcher

SHOWN = 10  # rejects named for people; the JSON and the table import_error have them all


@click.command()
@click.argument("source", type=LOCATION)
@click.option(
    "--labels",
    type=click.Choice(["given", "predicted"]),
    default="given",
    show_default=True,
    help="Whose labels: the source's where it has them, or always the model's.",
)
@image_root_option
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Who decodes and embeds: this process, or the Ray cluster of RAY_ADDRESS.",
)
@click.option("--workers", type=int, help="Ray's actors, a core each; by default all cores.")
@click.option("--batch-size", type=int, default=BATCH, show_default=True, help="Photos a commit.")
@click.option("--dry-run", is_flag=True, help="Read and compare only; change nothing.")
@click.option("--watch", is_flag=True, help="Go on, and follow every change, until Ctrl-C.")
@click.option("--prune", is_flag=True, help="Remove garments whose photo is gone; asks before.")
@click.option("--yes", is_flag=True, help="Prune without asking.")
@click.option("--more-than-half", is_flag=True, help="Prune however many they are.")
@json_option
def ingest(
    source: Location,
    labels: Literal["given", "predicted"],
    image_root: Location | None,
    engine: Literal["local", "ray"],
    workers: int | None,
    batch_size: int,
    dry_run: bool,
    watch: bool,
    prune: bool,
    yes: bool,
    more_than_half: bool,
    as_json: bool,
) -> None:
    """Take photos into the catalog.

    SOURCE is a folder of images, a folder of one folder per category, a CSV or Parquet file with the
    column image_name (and category_label), or a DeepFashion annotation folder; or the URL of one, such
    as s3://bucket/photos. A run that was
    stopped, however rudely, goes on where its last commit ended when it is called again. It ends by
    building the similarity indexes that are due. A photo that was renamed or moved within SOURCE stays
    the same garment.
    """
    if not 1 <= batch_size <= 10_000:
        raise InvalidParameter(f"--batch-size is {batch_size}; it must be from 1 to 10000.")
    _require_fitting(watch, dry_run, prune, yes, more_than_half)
    decoding = _engine(engine, workers, alone=watch or dry_run)
    refusals: list[PruneRefused] = []
    shown = ExitStack()

    def forget(gone: Gone) -> list[str]:
        shown.close()  # the bar, or it would be drawn over the question
        if not prune or not gone.garments:
            return []
        if dry_run:
            return [garment.image_path for garment in gone.garments]
        try:
            if yes or _agreed(gone):
                return gone.prune(more_than_half=more_than_half)
        except PruneRefused as refusal:  # what was taken in is told first
            refusals.append(refusal)
        return []

    if watch:
        if not isinstance(source, Path) or not isinstance(image_root, Path | None):
            raise InvalidParameter(
                "--watch follows folders of this machine. Call ingest of a URL again, from a timer."
            )
        how = Keeping(labels, image_root, batch_size, prune, more_than_half)
        _keep_in_step(source, how, as_json)
        return
    with open_studio() as studio, shown:
        advance = shown.enter_context(progress_bar("ingest"))
        summary = take_in(
            studio,
            source,
            labels=labels,
            image_root=image_root,
            batch_size=batch_size,
            dry_run=dry_run,
            engine=decoding,
            prune=forget,
            progress=lambda s: advance(s.seen, None, f"{s.seen / max(s.seconds, 1e-9):.0f}/s"),
            building=show_building(advance),
        )
    if as_json:
        print_json(summary.as_dict())
    else:
        print_summary(summary, dry_run)
    if refusals:
        raise refusals[0]
    if left := len(summary.gone) - len(summary.pruned):
        note(f"{left} garments of {source} have lost their photos; --prune removes them.")


def _require_fitting(
    watch: bool, dry_run: bool, prune: bool, yes: bool, more_than_half: bool
) -> None:
    if (yes or more_than_half) and not prune:
        raise InvalidParameter("--yes and --more-than-half belong to --prune.")
    if watch and dry_run:
        raise InvalidParameter("--watch goes on taking photos in and --dry-run none: choose one.")
    if prune and not (yes or dry_run) and (watch or not sys.stdin.isatty()):
        raise InvalidParameter(
            "--prune asks on a terminal. Elsewhere, and with --watch, add --yes; --dry-run shows what "
            "would go."
        )


def _engine(name: Literal["local", "ray"], workers: int | None, *, alone: bool) -> Engine:
    if name == "local":
        if workers is not None:
            raise InvalidParameter("--workers belongs to --engine ray.")
        return outcomes
    if alone:
        raise InvalidParameter("--engine ray goes neither with --watch nor with --dry-run.")
    try:
        from service.intake.cluster import on_ray
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"--engine ray needs {error.name}: pip install 'fashion-studio[ray]'."
        ) from None
    return on_ray(workers)


def _keep_in_step(source: Path, how: Keeping, as_json: bool) -> None:
    """Until Ctrl-C, or SIGTERM, which ends it with status 0."""

    def report(summary: Summary) -> None:
        if as_json:
            click.echo(json.dumps(summary.as_dict(), ensure_ascii=False))
        else:
            print_summary(summary)

    stop = Stop()

    def end(*_: object) -> None:
        stop.set()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    with open_studio() as studio:
        note(f"watching {source} until Ctrl-C")
        try:
            Watcher(studio, source, how, report, note).run(stop)
        except KeyboardInterrupt:  # which is what watchfiles makes of every signal
            if not stop.is_set():
                raise


def _agreed(gone: Gone) -> bool:
    garments = gone.garments
    for garment in garments[:SHOWN]:
        note(f"gone: {garment.image_path}")
    if len(garments) > SHOWN:
        note(f"gone: {len(garments) - SHOWN} more; --dry-run --json has them all.")
    question = f"Remove {len(garments)} of the {gone.total} garments of {gone.folder}?"
    return click.confirm(question, err=True)


def print_summary(summary: Summary, dry_run: bool = False) -> None:
    for reject in summary.rejects[:SHOWN]:
        note(f"rejected: {reject['image_path']}: {reject['reason']}")
    if len(summary.rejects) > SHOWN:
        where = "--json has them all" if dry_run else "see the table import_error"
        note(f"rejected: {len(summary.rejects) - SHOWN} more; {where}.")
    updated = f"updated {summary.updated}"
    if summary.moved:
        updated += f" ({summary.moved} moved)"
    pruned = f", pruned {len(summary.pruned)}" if summary.pruned else ""
    click.echo(
        f"{'would have ' if dry_run else ''}seen {summary.seen}: added {summary.added}, "
        f"{updated}, unchanged {summary.unchanged}, "
        f"rejected {len(summary.rejects)}{pruned}; {summary.seconds:.1f} s"
    )
