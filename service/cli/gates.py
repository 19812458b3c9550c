"""gates: what it costs and gains to search more labels than the first."""

from __future__ import annotations

from typing import Any

import click

from service.cli.arguments import groups_option, source_options
from service.cli.output import (
    json_option,
    note,
    open_studio,
    print_json,
    print_table,
    progress_bar,
)
from service.storage import Location

COLUMNS = (
    "gate", "right label", "95 %", "labels", "right matches", "some right", "p50 ms", "p95 ms", "method",
)  # fmt: skip


@click.command()
@source_options("Photos with labels, as ingest takes them")
@click.option("--held-out", is_flag=True, help="Only the fifth that train holds out of SOURCE.")
@groups_option
@click.option("-n", "n", type=int, default=9, show_default=True, help="Matches, 1 to 100.")
@json_option
def gates(
    sources: tuple[Location, ...],
    image_root: Location | None,
    held_out: bool,
    groups: tuple[str, ...],
    n: int,
    as_json: bool,
) -> None:
    """What each gate costs and gains, so that you can choose --mass for your bundle and catalog.

    A wrong label searches the wrong garments. The table says for --label auto, for several --mass and
    for --label any: the share of photos whose right label was among those searched, with its 95 %
    interval; how many labels were searched; the share of the matches that bear the right label, and of
    the photos with at least one such match; and the milliseconds of the search in the database.

    Photos that the bundle was trained on are classified better than others: take photos that it has
    not seen, or, where SOURCE and --group are those of its training, --held-out.
    """
    from service.gates import report_gates

    with open_studio() as studio, progress_bar("gates") as advance:
        report = report_gates(
            studio,
            sources,
            image_root=image_root,
            n=n,
            groups=groups,
            held_out=held_out,
            progress=lambda what, done, total: advance(done, total, what),
        )
    if report.doubt is not None:
        note(report.doubt)
    if as_json:
        print_json(report.as_dict())
        return
    print_table(
        COLUMNS,
        [_cells(gate.as_dict()) for gate in report.gates],
    )
    left_out = f"; {report.left_out} left out, unreadable or of an unknown label"
    note(
        f"{report.photos} photos classified, {report.searched} of them searched for"
        f"{left_out if report.left_out else ''}"
    )


def _cells(gate: dict[str, Any]) -> tuple[str, ...]:
    low, high = gate["interval_95"]
    total = sum(gate["methods"].values())
    methods = (f"{name} {count / total:.0%}" for name, count in gate["methods"].items())
    right, some = (
        "" if share is None else f"{share:.1%}"
        for share in (gate["right_matches"], gate["some_right_match"])
    )
    p50, p95 = ("" if ms is None else f"{ms:.1f}" for ms in (gate["ms_p50"], gate["ms_p95"]))
    return (
        gate["gate"],
        f"{gate['right_label_searched']:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{gate['labels_searched']:.2f}",
        right,
        some,
        p50,
        p95,
        ", ".join(gate["methods"]) if len(gate["methods"]) == 1 else ", ".join(methods),
    )
