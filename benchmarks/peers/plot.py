"""Time against catalog size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

OURS = {"sql": "#c2410c", "http": "#f08a4b"}
OTHERS = "#8a94a3"
INK, FAINT = "#1f2933", "#e4e7eb"


def draw(results: dict[str, Any], file: Path) -> bool:
    """p50 of each contestant against the size, both logarithmic; False without matplotlib."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines: dict[str, list[tuple[int, float]]] = {}
    titles = {}
    for size, found in results["sizes"].items():
        for name, result in found.items():
            if result["state"] == "done":
                lines.setdefault(name, []).append((int(size), result["p50_ms"]))
                titles[name] = result["title"]
    return bool(lines)
