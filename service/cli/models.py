"""models: the bundles of a catalog; a new one takes over without downtime."""

from __future__ import annotations

import math
from typing import Any

import click

from service.catalog import (
    ModelRecord,
    cancel_switch,
    generation_bytes,
    known_models,
    last_switch,
    only_switcher,
    start_switch,
    unread_of,
)
from service.cli.adopt import import_model
from service.cli.comparison import print_comparison
from service.cli.output import (
    json_option,
    note,
    open_studio,
    print_json,
    print_table,
    progress_bar,
)
from service.encoder import find_bundle, read_card
from service.errors import FashionStudioError, InvalidParameter
from service.studio import Studio
from service.switch import Options, drop_model, model_of, prepare, work_on
from service.switch.run import MARGIN

SHOWN = 10  # unreadable photos named for people; the JSON has them all


@click.group()
def models() -> None:
    """The models of a catalog: which serves, and how another one takes over."""


models.add_command(import_model)


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """Show every model that the catalog knows, and a switch that is under way."""
    with open_studio() as studio:
        found = [_entry(studio, record) for record in known_models(studio.engine)]
        switch = last_switch(studio.engine)
    if as_json:
        print_json({"models": found, "switch": switch.as_dict() if switch else None})
        return
    columns = ("id", "model", "state", "labels", "MB", "bundle")
    print_table(columns, [_cells(entry) for entry in found])
    if switch is not None and switch.finished_at is None:
        note(switch.as_line())


@models.command()
@click.argument("model")
@json_option
def show(model: str, as_json: bool) -> None:
    """Show MODEL: its card, how the last switch to it went, and the photos that it could not read.

    MODEL is a number or name@version of `models list`, or `previous`.
    """
    with open_studio() as studio:
        record = model_of(studio, model)
        entry = _entry(studio, record)
        switch = last_switch(studio.engine, model_id=record.id)
        unread = unread_of(studio.engine, record.id)
        metrics = read_card(_place(studio, record)).metrics if entry["bundle"] else {}
    document = entry | {
        "metrics": metrics,
        "switch": switch.as_dict() if switch else None,
        "unreadable": [
            {"id": u.id, "image_path": u.image_path, "reason": u.reason} for u in unread
        ],
    }
    if as_json:
        print_json(document)
        return
    for name in ("id", "model", "state", "labels", "bundle"):
        value = entry[name]
        click.echo(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    if switch is not None:
        click.echo(f"switch: {switch.state}{f': {switch.error}' if switch.error else ''}")
        if switch.report:
            print_comparison(switch.report)
    for garment in unread[:SHOWN]:
        click.echo(f"unreadable: {garment.id} {garment.image_path}: {garment.reason}")
    if len(unread) > SHOWN:
        click.echo(f"unreadable: {len(unread) - SHOWN} more, see --json")


@models.command()
@click.argument("model")
@click.option("--background", is_flag=True, help="Let a worker do it.")
@click.option("--rate", type=float, help="Embed at most so many photos a second.")
@click.option(
    "--margin",
    type=float,
    default=MARGIN,
    show_default=True,
    help="Share of right labels, or of right neighbours, that may be lost.",
)
@click.option("--force", is_flag=True, help="Take it also where it is worse.")
@click.option(
    "--forget-unreadable", is_flag=True, help="Delete the garments whose photo cannot be read."
)
@json_option
def use(
    model: str,
    background: bool,
    rate: float | None,
    margin: float,
    force: bool,
    forget_unreadable: bool,
    as_json: bool,
) -> None:
    """Let MODEL serve the catalog: a bundle's folder, a model of `models list`, `previous`, or `shipped`.

    Every garment is embedded beside the serving model, which goes on answering. Then both are
    compared, and the new one takes over in a moment unless it is worse. Stopped, however rudely, it
    goes on where it was when called again. The model before is kept: `models use previous` goes back.
    """
    if not 0 <= margin <= 1:
        raise InvalidParameter(f"--margin is {margin:g}; it must be from 0 to 1.")
    if rate is not None and not 0 < rate < math.inf:
        raise InvalidParameter(f"--rate is {rate:g}; it must be a number above 0.")
    options = Options(margin, force, forget_unreadable, rate)
    with open_studio() as studio:
        record = prepare(studio, model)
        if record.serving:
            _say(as_json, record, None, f"{record.title} serves already.")
            return
        if background:
            from service.jobs import request_switch

            switch = request_switch(studio, record, options)
            if as_json:
                print_json(switch.as_dict())
            else:
                note(f"{switch.as_line()} `fashion-studio models list` shows how far it is.")
            return
        with only_switcher(studio.engine), progress_bar("models use") as advance:
            begun = start_switch(studio.engine, record.id, options.as_dict())
            found = work_on(
                studio, begun, progress=lambda stage, done, total: advance(done, total, stage)
            )
    _say(as_json, record, found.as_dict() if found else None, f"{record.title} serves from now on.")


@models.command()
@json_option
def cancel(as_json: bool) -> None:
    """Stop the switch that is under way, wherever it runs, behind its batch."""
    with open_studio() as studio:
        cancelled = cancel_switch(studio.engine)
    if as_json:
        print_json({"cancelled": cancelled})
    elif not cancelled:
        note("No switch is under way.")


@models.command()
@click.argument("model")
@json_option
def drop(model: str, as_json: bool) -> None:
    """Free what MODEL takes, which no longer serves or never did: its embeddings, and its bundle's copy."""
    with open_studio() as studio:
        record = model_of(studio, model)
        freed = generation_bytes(studio.engine, record.id)
        drop_model(studio, record)
    if as_json:
        print_json({"model": record.title, "id": record.id, "bytes": freed})
    else:
        note(f"{record.title} is dropped: {freed / 1e6:.1f} MB freed.")


def _entry(studio: Studio, record: ModelRecord) -> dict[str, Any]:
    size = 0 if record.serving else generation_bytes(studio.engine, record.id)
    if record.serving:
        state = "serving"
    elif size:
        state = "kept" if record.served_until else "beside"
    else:
        state = "not embedded"
    try:
        folder = str(_place(studio, record))
    except FashionStudioError:
        folder = ""
    return {
        "id": record.id,
        "model": record.title,
        "state": state,
        "labels": list(record.labels),
        "bytes": size,
        "bundle": folder,
        "registered_at": record.created_at.isoformat(),
        "served_until": record.served_until.isoformat() if record.served_until else None,
    }


def _place(studio: Studio, record: ModelRecord) -> Any:
    return find_bundle(studio.settings, record.title, record.content_sha256, record.folder)


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    size = f"{entry['bytes'] / 1e6:.1f}"
    place = entry["bundle"] or "not on this machine"
    return (
        str(entry["id"]),
        entry["model"],
        entry["state"],
        str(len(entry["labels"])),
        size,
        place,
    )


def _say(as_json: bool, record: ModelRecord, report: dict[str, Any] | None, line: str) -> None:
    if as_json:
        print_json({"model": record.title, "id": record.id, "serving": True, "report": report})
        return
    if report:
        print_comparison(report)
    note(line)
