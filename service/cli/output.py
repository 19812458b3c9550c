"""What every command shares: JSON on stdout, tables for people, everything else on stderr."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import click

from service.catalog import Building, usable
from service.drafts import drafts
from service.errors import InvalidParameter
from service.settings import load_settings
from service.studio import Studio
from service.summary import printable

LINE_EVERY = 10  # seconds between progress lines in a log
NUMERIC = {
    "similarity", "confidence", "count", "share", "id", "#", "MB", "recall@10",
    "right label", "labels", "right matches", "some right", "p50 ms", "p95 ms",
}  # fmt: skip
UNBROKEN = 4096  # columns: wider than any path


class Advance(Protocol):
    """Moves a progress bar: how many are done, of how many if that is known, and a word beside it."""

    def __call__(self, done: int, total: int | None = None, text: str = "") -> None: ...


json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout; progress on stderr."
)


def print_json(document: Any) -> None:
    click.echo(printable(json.dumps(document, ensure_ascii=False, indent=2)))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str = "",
    *,
    numeric: Collection[str] = NUMERIC,
) -> None:
    """A table on stdout, never broken by width: a path in it can be copied whole.

    numeric: columns to align at their ends.
    """
    from rich.console import Console  # late: most commands can do without
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        if column in numeric:  # what may overflow is not aligned by rich
            table.add_column(column, justify="right", no_wrap=True)
        else:
            table.add_column(column, no_wrap=True, overflow="ignore")
    for row in rows:
        table.add_row(*row)
    if title:
        click.echo(title)
    console = Console(width=UNBROKEN, markup=False, emoji=False)
    with console.capture() as text:
        console.print(table, crop=False)
    for line in text.get().splitlines():
        click.echo(printable(line.rstrip()))


def note(message: str) -> None:
    """A line for people, on stderr; above the progress bar where there is one."""
    print(printable(message), file=sys.stderr, flush=True)  # click goes past what the bar minds


@contextmanager
def open_studio() -> Iterator[Studio]:
    """The studio of the environment's settings; its warnings go to stderr.

    Raises as `Studio`, and `DatabaseUnfit` where the user may not do what is done with it.
    """
    with usable(), Studio(load_settings()) as studio:
        for warning in studio.warnings:
            note(f"warning: {warning}")
        yield studio


@contextmanager
def progress_bar(description: str) -> Iterator[Advance]:
    """A bar on stderr where that is a terminal; elsewhere a line every ten seconds."""
    if not sys.stderr.isatty():
        yield _progress_lines(description)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None, text="")

        def advance(done: int, total: int | None = None, text: str = "") -> None:
            bar.update(task, completed=done, text=text)
            if total is not None:
                bar.update(task, total=total)

        yield advance


def show_building(advance: Advance) -> Callable[[Building], None]:
    """Shows on a progress bar how far the builder of similarity indexes is."""
    return lambda b: advance(b.done, b.total, f"{b.label}: {b.phase}" if b.label else b.phase)


def _progress_lines(description: str) -> Advance:
    began = last = time.monotonic()
    before = first = 0
    whole: int | None = None

    def advance(done: int, total: int | None = None, text: str = "") -> None:
        nonlocal began, last, first, before, whole
        now = time.monotonic()
        if done < before or whole not in (None, total):  # something else is counted from here on,
            began, first = now, done  # of which a run before this one may have done a part
        before, whole = done, total
        if now - last >= LINE_EVERY:
            last = now
            of = f" of {total}" if total else ""
            if total and first < done < total and now > began:
                of += f", {(now - began) / (done - first) * (total - done):.0f} s left"
            note(f"{description}: {done}{of} {text}".rstrip())

    return advance


def save_picture(picture: Any, path: Path) -> None:
    """Write an answer drawn with Pillow, of the kind that the file's ending names.

    Raises `InvalidParameter` where pictures of that kind cannot be written, and as `drafts`.
    """
    from PIL import Image

    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise InvalidParameter(f"{path} cannot be written: no picture ends so. Let it end in .png.")
    with drafts(path) as (draft,):
        held = io.BytesIO()  # on a full disk Pillow leaves the half of a file, and says nothing
        try:
            picture.save(held, kind)
        except ValueError as error:
            raise InvalidParameter(f"{path} cannot be written: {error}.") from None
        draft.write_bytes(held.getvalue())
