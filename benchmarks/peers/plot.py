"""Time against catalog size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peers import CONTESTANTS

OURS = {"sql": "#c2410c", "http": "#c2410c"}
OTHERS = "#9aa5b1"
INK, QUIET, FAINT = "#1f2933", "#616e7c", "#e4e7eb"
GAP = 0.038  # least distance of two labels, as a share of the height


def draw(results: dict[str, Any], file: Path) -> bool:
    """p50 of each contestant against the size, both logarithmic; False without matplotlib."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullLocator

    lines = _lines(results)
    if not lines:
        return True
    sizes = sorted({size for line in lines.values() for size, _ in line["points"]})
    pyplot.rcParams["font.family"] = ["DejaVu Sans"]
    figure, axes = pyplot.subplots(figsize=(9, 6), dpi=160)
    figure.patch.set_facecolor("white")
    figure.subplots_adjust(left=0.085, right=0.72, top=0.85, bottom=0.10)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for name in sorted(lines, key=lambda name: name in OURS):
        xs, ys = zip(*lines[name]["points"], strict=True)
        axes.plot(
            xs,
            ys,
            color=OURS.get(name, OTHERS),
            linewidth=2.6 if name in OURS else 1.3,
            linestyle=(0, (4, 1.6)) if name == "http" else "-",
            marker="o",
            markersize=5.5 if name in OURS else 3.2,
            markeredgecolor="white",
            markeredgewidth=0.8 if name in OURS else 0.4,
            zorder=3 if name in OURS else 2,
            clip_on=False,
        )
    _label_ends(axes, lines, sizes[-1])
    ticks = [s for i, s in enumerate(sizes) if i == 0 or s >= 1.6 * sizes[i - 1]]
    axes.set_xticks(ticks, [_short(size) for size in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _time(value)))
    axes.tick_params(length=0, colors=QUIET, labelsize=9, pad=6)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.set_xlabel("garments in the catalog", color=QUIET, fontsize=9, labelpad=6)
    figure.text(
        0.018, 0.95, "Ten most similar garments of a label", color=INK, fontsize=15, weight="bold"
    )
    figure.text(
        0.018,
        0.91,
        "median time of a query, one client; both axes logarithmic",
        color=QUIET,
        fontsize=10,
    )
    figure.savefig(file, facecolor="white")
    pyplot.close(figure)
    return True


def _lines(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    lines: dict[str, dict[str, Any]] = {}
    for size, found in sorted(results["sizes"].items(), key=lambda item: int(item[0])):
        for name in CONTESTANTS:
            result = found.get(name, {})
            if result.get("state") == "done":
                line = lines.setdefault(name, {"title": result["title"], "points": []})
                line["points"].append((int(size), result["p50_ms"]))
    return lines


def _label_ends(axes: Any, lines: dict[str, dict[str, Any]], largest: int) -> None:
    """Each line's name and last time in a column at the right, apart from each other.

    A line that ends earlier is named behind its end.
    """
    from matplotlib.patheffects import withStroke

    axes.autoscale_view()  # else the limits are those of an empty plot until it is drawn
    to_share = axes.transData + axes.transAxes.inverted()
    ends, earlier = {}, {}
    for name, line in lines.items():
        x, y = to_share.transform(line["points"][-1])
        (ends if line["points"][-1][0] == largest else earlier)[name] = y
        line["end"] = x
    for name, place in _apart(earlier).items():
        axes.text(
            lines[name]["end"] + 0.012,
            place,
            lines[name]["title"],
            transform=axes.transAxes,
            va="center",
            fontsize=8.5,
            color=OURS.get(name, QUIET),
            path_effects=[withStroke(linewidth=3, foreground="white")],  # over lines that go on
        )
    places = _apart(ends)
    for name, place in places.items():
        line = lines[name]
        axes.annotate(
            f"{line['title']}  {_time(line['points'][-1][1])}",
            xy=(0.975, ends[name]),
            xytext=(1.045, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=10 if name in OURS else 9,
            weight="bold" if name in OURS else "normal",
            color=OURS.get(name, QUIET),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.8, "shrinkA": 2},
        )


def _apart(ends: dict[str, float]) -> dict[str, float]:
    """Heights at least `GAP` apart, near the wanted ones: crowded ones share their middle."""
    order = sorted(ends, key=ends.__getitem__)
    crowds = [[name] for name in order]
    middle = [ends[name] for name in order]
    at = 0
    while at + 1 < len(crowds):
        room = (len(crowds[at]) + len(crowds[at + 1])) / 2 * GAP
        if middle[at + 1] - middle[at] >= room - 1e-9:
            at += 1
            continue
        crowds[at] += crowds.pop(at + 1)
        middle.pop(at + 1)
        middle[at] = sum(ends[name] for name in crowds[at]) / len(crowds[at])
        at = max(0, at - 1)
    return {
        name: centre + (place - (len(crowd) - 1) / 2) * GAP
        for crowd, centre in zip(crowds, middle, strict=True)
        for place, name in enumerate(crowd)
    }


def _short(size: int) -> str:
    if size >= 1_000_000:
        return f"{size / 1e6:g} M"
    return f"{size / 1e3:.3g} k"


def _time(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2g} s"
    return f"{milliseconds:.2g} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"
