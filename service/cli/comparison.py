"""How two models compare, as a table for people."""

from __future__ import annotations

from typing import Any

import click

from service.cli.output import print_table


def print_comparison(report: dict[str, Any]) -> None:
    """report: of `service.switch.Comparison`."""
    accuracy, neighbours = report["accuracy"], report["neighbours"]
    rows = [
        ("right label", accuracy["old"], accuracy["new"], accuracy["difference"]),
        (
            "same label among the nearest 10",
            *_old_and_new(neighbours["same_label_at_10"]),
            neighbours["difference"],
        ),
    ]
    print_table(("figure", "old", "new", "difference"), [tuple(map(_figure, row)) for row in rows])
    print_table(
        ("ms at the median", "old", "new"),
        [
            (name, *map(str, _old_and_new(values)))
            for name, values in (
                ("a photo in the network", report["photo_ms_p50"]),
                ("a search", neighbours["search_ms_p50"]),
            )
        ],
    )
    click.echo(
        f"labels agree: {_figure(report['label_agreement'])} of {report['garments']} garments"
    )
    click.echo(f"neighbours in common: {_figure(neighbours['overlap_at_10'])}")
    for line in report["regressions"]:
        click.echo(f"worse: {line}")


def _old_and_new(values: dict[str, Any]) -> tuple[Any, Any]:
    """By name: Postgres gives what it stores in another order."""
    return values["old"], values["new"]


def _figure(value: Any) -> str:
    if not isinstance(value, dict):
        return "–" if value is None else str(value)
    low, high = value["interval_95"]
    return f"{value.get('share', value.get('mean')):.3f} ({low:.3f} to {high:.3f})"
