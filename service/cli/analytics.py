"""analytics: reports on the catalog, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import click

from service.catalog import REPORTS, STORED, Report, analyse, plain, read_report
from service.cli.output import json_option, note, print_table, progress_bar
from service.drafts import drafts
from service.errors import InvalidParameter
from service.settings import load_settings
from service.studio import open_catalog

FORMATS = ("table", "csv", "parquet", "json")
LINES = 100  # of a table for people, unless they ask for more


@click.command(
    help=f"""Print a report on the catalog: {", ".join(REPORTS)}.

    {", ".join(STORED)} need the neighbours of every garment. They show what was last stored, and the
    command says where that is out of date."""
)
@click.argument("report", type=click.Choice(REPORTS), metavar="REPORT")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How to print it; a table is for people.",
)
@click.option(
    "--limit", type=click.IntRange(1, 10**9), help=f"Rows at most; of a table {LINES}, else all."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write csv, parquet or json there instead of to stdout.",
)  # fmt: skip
@click.option("--refresh", is_flag=True, help="Make the stored reports anew first: minutes.")
@json_option
def analytics(
    report: str, form: str, limit: int | None, out: Path | None, refresh: bool, as_json: bool
) -> None:
    if as_json and (out is not None or form not in ("table", "json")):
        raise InvalidParameter("--json is JSON on stdout. For a file say --format json --out FILE.")
    form = "json" if as_json else form
    if form == "table" and out is not None:
        raise InvalidParameter("--out needs --format csv, parquet or json.")
    if out is not None and not out.parent.is_dir():
        raise InvalidParameter(f"{out} cannot be written: {out.parent} is no folder.")
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise InvalidParameter("Parquet is not for a terminal: add --out FILE.")
    if refresh and report not in STORED:
        raise InvalidParameter(f"{report} is of the catalog as it is: it needs no --refresh.")
    settings = load_settings()
    similarity, most = settings.duplicate_similarity, LINES if form == "table" else None
    with open_catalog(settings) as engine:
        if refresh:
            with progress_bar("neighbours") as advance:
                folder = settings.folder()
                analyse(engine, duplicate_similarity=similarity, folder=folder, progress=advance)
        found = read_report(engine, report, limit=limit or most, duplicate_similarity=similarity)
    if found.note is not None:
        note(f"{report}: {found.note}")
    if form == "table":
        _print(found)
    elif out is None:
        sys.stdout.buffer.write(_encoded(found, form))
        sys.stdout.buffer.flush()
    else:
        with drafts(out) as (draft,):
            draft.write_bytes(_encoded(found, form))


def _print(report: Report) -> None:
    numeric = {c.name for c in report.columns if c.kind in ("integer", "number")}
    rows = [tuple(map(_cell, row)) for row in report.rows]
    print_table([column.name for column in report.columns], rows, report.title, numeric=numeric)
    if report.more:
        note(f"These are the first {len(rows)} rows; --limit N shows more, --format csv all.")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _encoded(report: Report, form: str) -> bytes:
    if form == "json":
        return json.dumps(report.as_dict(), ensure_ascii=False, indent=2).encode() + b"\n"
    if form == "csv":
        table = io.StringIO(newline="")
        writer = csv.writer(table)  # CRLF, as RFC 4180 has it
        writer.writerow([column.name for column in report.columns])
        writer.writerows([plain(value) for value in row] for row in report.rows)
        return table.getvalue().encode()
    from pyarrow import BufferOutputStream, parquet

    from service.frames import arrow_table

    sink = BufferOutputStream()
    parquet.write_table(arrow_table(report), sink)
    return sink.getvalue().to_pybytes()
