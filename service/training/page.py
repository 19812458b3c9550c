"""An evaluation as a page of its own: one HTML file without scripts, fonts or pictures from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Table = tuple[list[str], list[tuple[str, ...]]]


def write_page(path: Path, document: dict[str, Any]) -> None:
    """document: as `evaluate` saves it. Raises OSError where `path` cannot be written."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "zip": zip}
    columns, rows = summary(document)
    text = environment.get_template("page.html").render(
        document=document, columns=columns, rows=rows, first=document["bundles"][0]
    )
    path.write_text(text, encoding="utf-8")


def summary(document: dict[str, Any]) -> Table:
    """Bundles side by side: a column for each bundle and source, a row for each figure that any has."""
    several = len(document["bundles"]) > 1
    columns, cells = [], []
    for report in document["bundles"]:
        for name, figures in report["sources"].items():
            columns.append(f"{report['bundle']}, {name}" if several else name)
            cells.append(_figures(figures))
    names: list[str] = []
    for column in cells:  # each name after the one that it follows there
        place = 0
        for name in column:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return columns, [(name, *(column.get(name, "–") for column in cells)) for name in names]


def _figures(figures: dict[str, Any]) -> dict[str, str]:
    calibration, retrieval = figures["calibration"], figures["retrieval"]
    cells = {
        "photos with a label": str(figures["photos"]),
        "right label": _with_interval(figures["top1"], figures["top1_interval_95"]),
        "right among the first three": _with_interval(figures["top3"], figures["top3_interval_95"]),
        "calibration error, as trained": f"{calibration['error_before']:.3f}",
        "calibration error, at its temperature": f"{calibration['error_after']:.3f}",
        "same category among nine": _with_interval(
            retrieval["precision_at_9"], retrieval["precision_at_9_interval_95"]
        ),
    }
    if (same := retrieval["same_garment"]) is not None:
        for k, words in ((1, "first"), (10, "among ten")):
            share, interval = same[f"recall_at_{k}"], same[f"recall_at_{k}_interval_95"]
            cells[f"same garment {words}"] = _with_interval(share, interval)
    for name, row in retrieval["attributes"].items():
        cells[f"same {name}"] = _with_interval(row["agreement"], row["agreement_interval_95"])
        cells[f"same {name} by chance, at best"] = (
            f"{percent(row['chance'])}, {percent(row['best'])}"
        )
    rejection = figures["rejection"]
    if "recognised" in rejection:
        cells["recognised as a garment"] = _share(rejection["recognised"])
    if rejection["without_label"]:
        cells["photos without a label"] = str(rejection["without_label"])
        if "rejected_without_label" in rejection:
            cells["of these refused"] = _share(rejection["rejected_without_label"])
        for name, area in rejection["auroc"].items():
            low, high = rejection["auroc_interval_95"][name]
            cells[f"AUROC, {name.replace('_', ' ')}"] = f"{area:.3f} ({low:.3f} to {high:.3f})"
        for kind, row in rejection.get("by", {}).items():
            cells[f"{kind}: AUROC, refused"] = f"{row['auroc']:.3f}, {percent(row['rejected'])}"
    return cells


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _share(figure: dict[str, Any]) -> str:
    return _with_interval(figure["share"], figure["interval_95"])


def _with_interval(share: float | None, interval: list[float] | None) -> str:
    if share is None or interval is None:
        return "–"
    low, high = interval
    return f"{share:.1%} ({low:.1%} to {high:.1%})"
