"""doctor: is everything that answers need in its place?"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import click
from sqlalchemy import Engine

from service.catalog import (
    Replicas,
    count_by_label,
    describe_server,
    is_pooled,
    leftovers,
    open_database,
    open_switch,
    queue_state,
    readable,
    require_head,
    serving_model,
    shelves,
)
from service.catalog.database.urls import hosts
from service.cli.output import json_option, print_json
from service.disks import nearly_full
from service.encoder import bundle_folder, find_bundle, load_encoder, read_card
from service.errors import (
    FashionStudioError,
    IndexesDue,
    SettingsInvalid,
    StorageFull,
    WorkerMissing,
)
from service.images import open_images
from service.jobs import STALLED_SECONDS
from service.settings import Settings, load_settings
from service.storage import is_folder, locate
from service.stores import reached


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Check model, folders, disk, database, server, schema, catalog, indexes and jobs: one line each.

    Exit 1 if any fails.
    """
    settings = load_settings()
    checks = [_checked("model", lambda: _model(settings))]
    checks.append(_checked("image root", lambda: _image_root(settings)))
    checks.append(_checked("import roots", lambda: _import_roots(settings)))
    checks.append(_checked("disk", lambda: _disk(settings)))
    engine: list[Engine] = []
    checks.append(_checked("database", lambda: _database(settings, engine)))
    if engine:
        checks.append(_checked("server", lambda: describe_server(engine[0])))
        checks.append(_checked("schema", lambda: _schema(engine[0])))
        if checks[-1]["ok"]:
            checks.append(_checked("catalog", lambda: _catalog(engine[0])))
            checks.append(_checked("indexes", lambda: _indexes(engine[0])))
            checks.append(_checked("jobs", lambda: _jobs(engine[0])))
            checks.append(_checked("serving", lambda: _serving(settings, engine[0])))
        if settings.replica_url:
            checks.append(_checked("replicas", lambda: _replicas(settings, engine[0])))
        engine[0].dispose()
    if as_json:
        print_json({"checks": checks})
    else:
        for check in checks:
            click.echo(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['check']}: {check['detail']}")
    return 0 if all(check["ok"] for check in checks) else 1


def _checked(name: str, check: Callable[[], str]) -> dict[str, str | bool]:
    try:
        with readable():
            return {"check": name, "ok": True, "detail": check()}
    except FashionStudioError as error:
        return {"check": name, "ok": False, "detail": error.detail}


def _model(settings: Settings) -> str:
    card = read_card(bundle_folder(settings))
    return f"{card.title} on {load_encoder(settings).description}"


def _image_root(settings: Settings) -> str:
    root = open_images(settings.image_root)
    root.check()
    return str(root)


def _disk(settings: Settings) -> str:
    folder = open_images(settings.image_root).folder
    full = nearly_full([settings.folder(), *([folder] if folder is not None else [])])
    if full:
        raise StorageFull(" ".join(full))
    return "room enough"


def _import_roots(settings: Settings) -> str:
    gone = [root for root in settings.import_roots if not _is_folder(root)]
    if gone:
        raise SettingsInvalid(f"FASHION_STUDIO_IMPORT_ROOTS names no folder: {', '.join(gone)}.")
    return ", ".join(settings.import_roots) or "none: no imports over HTTP"


def _is_folder(root: str) -> bool:
    with reached(root):
        try:
            return is_folder(locate(root))
        except OSError:  # closed to this user, or its share is gone
            return False


def _database(settings: Settings, opened: list[Engine]) -> str:
    engine = open_database(settings)
    pooled = is_pooled(engine)
    opened.append(engine)
    named = " or ".join(hosts(engine.url)) or "local"
    place = "embedded" if settings.database_url is None else named
    return place + ", by a pooler that keeps sessions apart" * pooled


def _schema(engine: Engine) -> str:
    require_head(engine)
    return "at head"


def _catalog(engine: Engine) -> str:
    counts = count_by_label(engine)
    return f"{sum(count.count for count in counts)} garments in {len(counts)} categories"


def _indexes(engine: Engine) -> str:
    found = shelves(engine)
    invalid = [shelf.label for shelf in found if shelf.state == "invalid"] + leftovers(engine)
    due = [shelf.label for shelf in found if shelf.due and shelf.state != "invalid"]
    if invalid or due:
        said = [f"{', '.join(due)} due"] * bool(due) + [f"{', '.join(invalid)} invalid"] * bool(
            invalid
        )
        raise IndexesDue(f"{'; '.join(said)}. Run `fashion-studio index`.")
    return f"{sum(shelf.state == 'valid' for shelf in found)} valid, none due"


def _jobs(engine: Engine) -> str:
    state = queue_state(engine, silence=STALLED_SECONDS)
    waiting = state.jobs.get("todo", 0)
    if waiting and not state.workers:
        raise WorkerMissing()
    failed = f", {failures} failed" if (failures := state.jobs.get("failed", 0)) else ""
    return f"{waiting} waiting{failed}; workers: {state.workers}"


def _replicas(settings: Settings, engine: Engine) -> str:
    """Whether each answers, and how long it takes to have what the primary has now."""
    with closing(
        Replicas(engine, settings.replica_url, lag_seconds=settings.replica_lag_seconds)
    ) as replicas:
        return "; ".join(
            f"{replica.name} {replica.catch_up(engine):.1f} s behind" for replica in replicas.all
        )


def _serving(settings: Settings, engine: Engine) -> str:
    """Whether this machine has the bundle that the catalog needs, and what goes on beside it."""
    model = serving_model(engine)
    if model is None:
        return "none yet: the catalog takes on the first bundle that is used"
    folder = find_bundle(settings, model.title, model.content_sha256, model.folder)
    switch = open_switch(engine)
    return f"{model.title} at {folder}" + (f"; {switch.as_line()}" if switch is not None else "")
