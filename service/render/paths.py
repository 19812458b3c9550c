"""Small helpers that write SVG path data. Points are (x, y) pairs, y grows downwards."""

import re
from collections.abc import Iterable, Sequence

Point = tuple[float, float]

_NUMBER = re.compile(r"-?\d+\.?\d*")


def path(*tokens: str | Point) -> str:
    """Path data from command letters and absolute points, in the order given."""
    return " ".join(t if isinstance(t, str) else f"{t[0]:.1f} {t[1]:.1f}" for t in tokens)


def smooth(points: Sequence[Point]) -> str:
    """Cubic segments of a Catmull-Rom spline through the points; the pen stands on the first."""
    ends = [points[0], *points, points[-1]]
    parts = []
    for a, b, c, e in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        parts.append(
            path(
                "C",
                (b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6),
                (c[0] - (e[0] - b[0]) / 6, c[1] - (e[1] - b[1]) / 6),
                c,
            )
        )
    return " ".join(parts)


def mirror(point: Point) -> Point:
    """The point on the other side of the garment's centre line x = 0."""
    return (-point[0], point[1])


def mirror_path(data: str) -> str:
    """Path data of absolute M, L, Q, C, Z commands, mirrored on x = 0."""
    count = -1

    def flip(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"{-float(match[0]):.1f}" if count % 2 == 0 else match[0]

    return _NUMBER.sub(flip, data)


def between(a: Point, b: Point, share: float) -> Point:
    """The point at `share` of the way from a to b."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def bounds(paths: Iterable[str]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all points and control points in the path data."""
    numbers = [float(n) for data in paths for n in _NUMBER.findall(data)]
    xs, ys = numbers[::2], numbers[1::2]
    return min(xs), min(ys), max(xs), max(ys)
