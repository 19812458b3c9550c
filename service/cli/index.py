"""index: the similarity indexes, built and looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from sqlalchemy import Engine

from service.catalog import (
    RECALL_MINIMUM,
    build_indexes,
    keep_recall,
    leftovers,
    measure_recall,
    shelves,
)
from service.catalog.similarity.recall import rebuild_helps
from service.cli.output import (
    json_option,
    note,
    open_studio,
    print_json,
    print_table,
    progress_bar,
    show_building,
)
from service.errors import InvalidParameter

NO_MORE = (
    "An index of so many garments gives no more: search with --exact where none may be missed."
)


@click.command()
@click.option("--rebuild", is_flag=True, help="Build those that are there anew as well.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 unless all is well.")
@json_option
def index(rebuild: bool, check: bool, as_json: bool) -> int:
    """Build the similarity indexes that are due, and show every label's.

    A label of few garments is searched exactly and needs none. Recall is measured against exact
    search on 100 garments of the label, chosen at random. With --check, a recall@10 under 0.99, an
    invalid index, or one that is due, is a failure.
    """
    if rebuild and check:
        raise InvalidParameter("--check changes nothing and --rebuild does: choose one.")
    with open_studio() as studio:
        if not check:
            with progress_bar("index") as advance:
                build_indexes(studio.engine, rebuild=rebuild, progress=show_building(advance))
        found = _look(studio.engine, measure_recall if check else keep_recall)
        complaints = _complaints(found, leftovers(studio.engine))
    if as_json:
        print_json({"ok": not complaints, "complaints": complaints, "indexes": found})
    else:
        columns = ("label", "count", "method", "MB", "state", "recall@10")
        print_table(columns, [_cells(entry) for entry in found])
        for complaint in complaints:
            note(complaint)
    return 1 if check and complaints else 0


def _look(engine: Engine, measure: Callable[[Engine, str], float]) -> list[dict[str, Any]]:
    """Every label's index; an exact search has recall 1 by definition."""
    found = shelves(engine)
    looked = []
    with progress_bar("recall") as advance:
        for done, shelf in enumerate(found):
            advance(done, len(found), shelf.label)
            measured = measure(engine, shelf.label) if shelf.method == "hnsw" else 1.0
            looked.append(shelf.as_dict() | {"recall": round(measured, 4)})
    return looked


def _complaints(found: Sequence[dict[str, Any]], strays: Sequence[str]) -> list[str]:
    said = []
    for entry in found:
        if entry["state"] == "invalid":
            said.append(f"{entry['label']}: the index is invalid. Run `fashion-studio index`.")
        elif entry["due"] is not None:
            said.append(f"{entry['label']}: {entry['due']} is due. Run `fashion-studio index`.")
        elif entry["recall"] < RECALL_MINIMUM:
            helps = rebuild_helps(entry["rows"], entry["recall"])
            said.append(
                f"{entry['label']}: recall@10 is {entry['recall']:.3f}, under {RECALL_MINIMUM}. "
                + ("Run `fashion-studio index --rebuild`." if helps else NO_MORE)
            )
    return said + [f"{name} is a leftover. Run `fashion-studio index`." for name in strays]


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        entry["label"],
        str(entry["rows"]),
        entry["method"],
        f"{entry['bytes'] / 1e6:.1f}",
        entry["state"],
        f"{entry['recall']:.3f}",
    )
