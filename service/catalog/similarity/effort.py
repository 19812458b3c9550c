"""How hard the indexes are searched for a question, and whether that was enough.

A graph can fail a question in two ways. The candidates that it leads to may be too few, because
components, by which it is ordered, are not whole embeddings. And a question from elsewhere may end
in the wrong place of the graph. Both show in what is found.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from service.catalog.similarity.projection import SLACK

JUDGED = 10
"""Neighbours that are looked for at least, because whether a search went well shows in several."""

ASTRAY = 1.0
"""A question that is further from the last one found than this many times from the middle of the catalog
is taken to come from elsewhere."""

FAR = 640
"""Candidates of a scan that finds its way from anywhere."""

FURTHEST = 1000
"""The largest `hnsw.ef_search` that pgvector takes."""

VAST = 100_000
"""Rows beyond which so many garments of a label may be alike that a search finds none but those around
the place where it entered the graph."""

VAST_ASTRAY = 0.66
"""`ASTRAY` in such a label: hardly a question that is nearer misses anything (docs/performance.md)."""


class Effort(NamedTuple):
    """follow: how many candidates a scan of a graph keeps (`hnsw.ef_search`).

    candidates: garments that are then compared by whole embeddings.
    """

    follow: int
    candidates: int


class Found(NamedTuple):
    """A garment found, and what tells how far to trust the search.

    similarity: cosine. reach: no garment whose components are further from the question's was a
    candidate; None where no index led to as many as were asked of it. share: the part of their distance
    that the components of nearly all candidates hold, at most 1. off: the question's distance from the
    middle of the catalog, by components. led: the labels whose index led to as many; None where each did.
    """

    id: int
    image_path: str
    label: str
    similarity: float
    reach: float | None
    share: float
    off: float
    led: list[str] | None = None


def efforts(n: int, *, vast: bool = False) -> tuple[Effort, ...]:
    """For the `n` nearest: one after the other, as long as the one before was not `enough`.

    vast: whether a label of more than `VAST` rows is searched.

    A scan goes on where it kept no more candidates than are compared, and those that are as near as
    the last. What each effort finds and costs is in docs/performance.md.
    """
    further = Effort(max(FAR, 3 * n), max(80, 3 * n))
    if vast:
        further = Effort(FURTHEST, max(160, 3 * n))
    return (
        Effort(max(40, 2 * n + 10), max(30, 2 * n)),
        further,
        Effort(FURTHEST, max(320, 4 * n)),
    )


def short(found: Sequence[Found], indexed: Collection[str]) -> set[str]:
    """Those of the labels searched by an index that it led to fewer garments of than were asked.

    Most of what it knows may have been deleted since: a scan ends before it has seen all.
    """
    led = found[0].led if found else []
    return set() if led is None else set(indexed) - set(led)


def enough(found: Sequence[Found], effort: Effort, *, vast: bool = False) -> bool:
    """Whether hardly a garment that was not a candidate can be nearer than the last one `found`.

    Beyond the candidates' reach, components are nearly as far apart as whole embeddings: how nearly,
    the candidates themselves say, so that it holds for any network. A graph that was followed far
    is not taken to have gone astray.
    """
    last = found[-1] if found else None
    if last is None or last.reach is None:  # no index has more to give
        return True
    far = VAST_ASTRAY if vast else ASTRAY
    if effort.follow < FAR and _distance(found[:JUDGED][-1]) > far * last.off:
        return False
    return last.share * _distance(last) <= last.reach + SLACK


def _distance(one: Found) -> float:
    """Of embeddings of unit length."""
    return math.sqrt(2 * max(1 - one.similarity, 0))
