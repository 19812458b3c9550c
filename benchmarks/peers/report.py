"""The results as markdown."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import psutil

from peers import CONTESTANTS

Results = dict[str, Any]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "threads": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
    }


def markdown(results: Results, *, headline: int) -> str:
    """A table for each size, the headline's labels, and the settings."""
    here = results["machine"]
    setup = results["setup"]
    lines = [
        f"{here['processor']}, {here['threads']} threads, {here['memory_gib']} GiB, Python "
        f"{here['python']}; data {setup['data']}; top {setup['k']}; {setup['rounds']} rounds of up to "
        f"{setup['queries']} questions, one client, one question at a time.",
        "",
    ]
    for size, found in sorted(results["sizes"].items(), key=lambda item: int(item[0])):
        lines += [f"### {int(size):,} garments", "", *_figures(found, int(size)), ""]
    found = results["sizes"].get(str(headline), {})
    if any(result["state"] == "done" for result in found.values()):
        for what, form in (("recall@10", "recall"), ("p50, ms", "p50_ms")):
            lines += [f"### {headline:,} garments by label: {what}", "", *_labels(found, form), ""]
    lines += ["### Settings", "", *_settings(results), ""]
    return "\n".join(lines)


def _figures(found: dict[str, Any], rows: int) -> list[str]:
    lines = [
        "| | p50, ms | p95, ms | × SQL | recall@10 | worst label | build, s | bytes a garment | "
        "peak memory, GiB | cores | asked |",
        "| --- |" + " ---: |" * 10,
    ]
    for result in ordered(found):
        if result["state"] != "done":
            lines.append(f"| {result['title']} | – {result['reason']}" + " | " * 9 + "|")
            continue
        worst = min(label["recall"] for label in result["by_label"].values())
        ratio = result.get("times_reference")
        lines.append(
            f"| {result['title']} | {_ms(result['p50_ms'])} | {_ms(result['p95_ms'])} | "
            f"{'' if ratio is None else f'{ratio:.2f}'} | "
            f"{_recall(result['recall'])} | {_recall(worst)} | {result['build_seconds']:,.1f} | "
            f"{result['bytes'] / rows:,.0f} ({result['stored']}) | "
            f"{result['peak_memory'] / 2**30:.2f} | {result['cores']:.1f} | {result['asked']} |"
        )
    return lines


def _labels(found: dict[str, Any], form: str) -> list[str]:
    done = [result for result in ordered(found) if result["state"] == "done"]
    rows = {name: label["rows"] for r in done for name, label in r["by_label"].items()}
    lines = [
        "| | " + " | ".join(f"{label} ({count:,})" for label, count in rows.items()) + " |",
        "| --- |" + " ---: |" * len(rows),
    ]
    show = _recall if form == "recall" else _ms
    for result in done:
        cells = (show(result["by_label"][label][form]) for label in rows)
        lines.append(f"| {result['title']} | " + " | ".join(cells) + " |")
    return lines


def _settings(results: Results) -> list[str]:
    """One line a contestant; where it was set otherwise at another size, one for each."""
    sizes = sorted(results["sizes"].items(), key=lambda item: int(item[0]))
    lines = []
    for name in CONTESTANTS:
        there = [(int(size), found[name]) for size, found in sizes if name in found]
        done = [(size, result) for size, result in there if result["state"] == "done"]
        said: dict[str, list[str]] = {}
        for size, result in done or there:
            said.setdefault(_setting(result), []).append(f"{size:,}")
        for line, at in said.items():
            lines.append(f"- {line}" + (f", at {', '.join(at)} garments" if len(said) > 1 else ""))
    return lines


def _setting(result: dict[str, Any]) -> str:
    version = f" ({result['version']})" if result.get("version") else ""
    return f"{result['title']}: {result['settings']}{version}"


def ordered(found: dict[str, Any]) -> list[Any]:
    """The results in the order of `CONTESTANTS`."""
    return [found[name] for name in CONTESTANTS if name in found]


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _recall(value: float) -> str:
    return f"{value:.3f}"


def _processor() -> str:
    try:
        said = Path("/proc/cpuinfo").read_text().split("model name", 1)[1]
        return said.split(":", 1)[1].splitlines()[0].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
