"""backup, restore and move: the whole catalog, into a file, back, and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Engine

from service.backup import Advance, Report, back_up
from service.backup import move as move_catalog
from service.backup import restore as bring_back
from service.catalog import Building, open_database, open_engine, start_embedded
from service.cli.output import json_option, note, print_json, progress_bar, show_building
from service.encoder.places import copy_kept
from service.images import open_images
from service.settings import Settings, load_settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--with-pictures", is_flag=True, help="The pictures themselves too.")
@json_option
def backup(file: Path, with_pictures: bool, as_json: bool) -> None:
    """Write the whole catalog into FILE, as it is at this moment.

    The service may go on meanwhile. FILE has every row, a list of the pictures with their sizes and
    SHA-256, and a manifest. An older FILE is replaced once the new one is whole. The model's bundle
    and the job queue are not in it.
    """
    settings = load_settings()
    with _engine(settings) as engine, _progress("backup") as (advance, _):
        report = back_up(
            engine,
            open_images(settings.image_root),
            file,
            with_pictures=with_pictures,
            advance=advance,
        )
    if as_json:
        print_json(report.as_dict())
        return
    pictures = report.pictures
    of_pictures = f"{pictures['included']} pictures" if with_pictures else "no pictures"
    click.echo(f"{report.file}: {_summary(report)}, {of_pictures}; {report.bytes / 1e6:.1f} MB")
    if pictures["missing"]:
        note(
            f"{pictures['missing']} of {pictures['count']} pictures are not where the catalog says."
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Forget the catalog that is there.")
@json_option
def restore(file: Path, replace: bool, as_json: bool) -> None:
    """Bring FILE, a backup, into the configured database, which must be empty.

    FILE is checked to its end before anything is written, and rows go in all at once or not at all.
    Pictures that are in it are written where the catalog says. Ends by building the similarity
    indexes. Stop the service before, and start it after.
    """
    settings = load_settings()
    with _engine(settings) as engine, _progress("restore") as (advance, building):
        report = bring_back(
            engine,
            open_images(settings.image_root),
            file,
            replace=replace,
            advance=advance,
            building=building,
        )
    _say_restored(report, as_json)


@click.command()
@click.option(
    "--to",
    "target",
    required=True,
    metavar="URL|FOLDER",
    help="An empty database, postgresql://…, or a folder to become a FASHION_STUDIO_HOME.",
)
@json_option
def move(target: str, as_json: bool) -> None:
    """Copy the catalog into another, empty database and build its indexes there.

    From the embedded server to one of yours, or back, or to an embedded one of a newer Postgres. The
    catalog that is there now is not changed. Into a FOLDER go the bundles that `models use` keeps, too.
    Stop the service before: what it takes in meanwhile stays behind.
    """
    settings = load_settings()
    is_url = "://" in target
    url = target if is_url else start_embedded(Path(target).expanduser().absolute() / "postgres")
    arrival = open_engine(url)
    try:
        with _engine(settings) as engine, _progress("move") as (advance, building):
            report = move_catalog(
                engine,
                arrival,
                open_images(settings.image_root),
                settings.folder(),
                advance=advance,
                building=building,
            )
    finally:
        arrival.dispose()
    if not is_url:
        copy_kept(settings, Path(target).expanduser())
    _say_restored(report, as_json)
    name = "FASHION_STUDIO_DATABASE_URL" if is_url else "FASHION_STUDIO_HOME"
    ended = (
        ""
        if is_url or settings.database_url is None
        else ", and FASHION_STUDIO_DATABASE_URL no more"
    )
    note(f"From now on set {name} to what you gave as --to{ended}.")


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = open_database(settings)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _progress(name: str) -> Iterator[tuple[Advance, Callable[[Building], None]]]:
    with progress_bar(name) as bar:
        yield lambda what, done, total: bar(done, total, what), show_building(bar)


def _say_restored(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(report.as_dict())
        return
    click.echo(f"{_summary(report)}, schema {report.revision}")
    pictures = report.pictures
    if pictures["missing"] or pictures["other"]:
        note(
            f"{pictures['missing']} pictures are not where the catalog says and {pictures['other']} "
            "are others than it knows. Check FASHION_STUDIO_IMAGE_ROOT."
        )


def _summary(report: Report) -> str:
    return f"{report.rows.get('garment', 0)} garments, model {', '.join(report.models) or 'none'}"
