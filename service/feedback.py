"""Verdicts on matches as a training set: a folder that `train` reads, without leakage.

Whatever is judged together, or shows nearly the same picture, is in one group, and training never
splits a group between what it learns and what it is measured on.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from service.catalog import category_names, is_unfit, similar
from service.catalog.feedback import JudgedPair, Picture, duplicates_of, judged_pairs
from service.decode import Limits, read, suffix_of
from service.drafts import drafts
from service.errors import FashionStudioError
from service.grouping import components
from service.model import Model
from service.sources import IMAGE, LABEL, images_in
from service.studio import Studio

TABLE, PAIRS = "feedback.csv", "pairs.csv"
NEAR = 100  # garments looked at of those that show nearly what an upload does


@dataclass(frozen=True, slots=True)
class Exported:
    """pairs: written; of them `good` match. undecided: as many said the one as the other. missing: a
    picture of theirs is neither in the catalog nor among the photos. pictures, groups: of the table.
    unreadable: photos whose bytes cannot be read."""

    table: Path
    pairs: int
    good: int
    undecided: int
    missing: int
    pictures: int
    groups: int
    unreadable: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": str(self.table),
            "pairs": self.pairs,
            "good": self.good,
            "undecided": self.undecided,
            "missing": self.missing,
            "pictures": self.pictures,
            "groups": self.groups,
            "unreadable": self.unreadable,
        }


def export_feedback(
    studio: Studio,
    folder: Path,
    *,
    photos: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Exported:
    """Write the judged pictures to `folder`, with two tables, which are there when all is.

    `feedback.csv`, which `train` reads: image_name, category_label (empty where it is unknown), group,
    and alike, the same for pictures that were said to match. `pairs.csv`: image_name, match_name, verdict,
    good, bad, group. photos: a folder where uploaded pictures lie, known by their bytes; those that are
    no garment's are shown to the serving model, to find what shows nearly the same.
    Raises `SourceInvalid`, `StorageUnavailable`, and what `drafts` raises; the tables of an earlier
    export then stay, and so do their pictures.
    """
    judged = judged_pairs(studio.engine)
    decided = [pair for pair in judged if pair.good != pair.bad]
    uploads, unreadable = _uploads(photos, studio.limits)
    with drafts(folder / TABLE, folder / PAIRS) as (table, of_pairs):
        (folder / "images").mkdir(parents=True, exist_ok=True)
        names: dict[str, str | None] = {}
        for done, pair in enumerate(decided, 1):
            for picture in (pair.one, pair.other):
                if picture.key not in names:
                    names[picture.key] = _copy(picture, studio, uploads, folder)
            progress(done, len(decided))
        pairs = [p for p in decided if names[p.one.key] and names[p.other.key]]
        good = [pair for pair in pairs if pair.good > pair.bad]
        pictures = {side.key: side for pair in pairs for side in (pair.one, pair.other)}
        asked = {k: uploads[k] for k, side in pictures.items() if not side.image_paths}
        groups = components(_judged_together(pairs) + _nearly_the_same(studio, asked))
        alike = components((p.one.key, p.other.key) for p in good)
        _write(
            table,
            (IMAGE, LABEL, "group", "alike"),
            [
                (names[key], pictures[key].label, groups[key], alike.get(key))
                for key in sorted(pictures)
            ],
        )
        _write(
            of_pairs,
            (IMAGE, "match_name", "verdict", "good", "bad", "group"),
            [
                (names[p.one.key], names[p.other.key], "good" if p.good > p.bad else "bad",
                 p.good, p.bad, groups[p.one.key])
                for p in pairs
            ],
        )  # fmt: skip
    return Exported(
        folder / TABLE,
        pairs=len(pairs),
        good=len(good),
        undecided=len(judged) - len(decided),
        missing=len(decided) - len(pairs),
        pictures=len(pictures),
        groups=len({groups[key] for key in pictures}),
        unreadable=unreadable,
    )


def _uploads(photos: Path | None, limits: Limits) -> tuple[dict[str, Path], int]:
    """The folder's photos by their bytes, and how many of them cannot be read."""
    uploads: dict[str, Path] = {}
    unreadable = 0
    for file in () if photos is None else images_in(photos):
        try:
            uploads[_digest(read(file, limits))] = file
        except FashionStudioError as error:
            if error.is_ours:
                raise
            unreadable += 1
    return uploads, unreadable


def _copy(picture: Picture, studio: Studio, uploads: dict[str, Path], folder: Path) -> str | None:
    """Its name in the folder, by its bytes; None where they are not to be had. Raises
    `StorageUnavailable`, for which every picture would be missing."""
    ways = [partial(studio.images.read, path) for path in picture.image_paths]
    if picture.key in uploads:
        ways = [partial(read, uploads[picture.key], studio.limits)]
    for way in ways:
        try:
            data = way()
            digest = _digest(data)
            name = f"images/{digest}{suffix_of(data)}"
        except FashionStudioError as error:  # an ending of its name is not all that makes a picture
            if error.is_ours:
                raise
            continue
        if len(picture.key) < 64 or digest == picture.key:
            break  # else it is another picture by now
    else:
        return None
    file = folder / name
    if not file.is_file() or _digest(file.read_bytes()) != digest:
        with drafts(file) as (draft,):
            draft.write_bytes(data)
    return name


def _judged_together(pairs: list[JudgedPair]) -> list[tuple[str, str]]:
    """What must be in one group: pairs, and near-duplicates of theirs in the catalog."""
    edges = [(pair.one.key, pair.other.key) for pair in pairs]
    for side in (side for pair in pairs for side in (pair.one, pair.other)):
        edges += [(side.key, f"garment {path}") for path in side.image_paths]
        if side.duplicates is not None:
            edges.append((side.key, f"duplicates {side.duplicates}"))
    return edges


def _nearly_the_same(studio: Studio, uploads: dict[str, Path]) -> list[tuple[str, str]]:
    """Likewise: uploads, by key, and the garments and other uploads that show nearly what they do."""
    if not uploads:
        return []
    model, same = studio.model, studio.settings.duplicate_similarity
    with ThreadPoolExecutor(model.encoder.requests + 1) as pool:
        seen = pool.map(lambda file: _embedding(model, file), uploads.values())
        found = {key: one for key, one in zip(uploads, seen, strict=True) if one is not None}
    keys, labels, edges = list(found), category_names(studio.engine), []
    for key, embedding in found.items():
        matches, _ = similar(
            studio.engine, embedding, labels=labels, n=NEAR, min_similarity=same, exact=True,
            model_id=model.id,
        )  # fmt: skip
        edges += [(key, f"garment {match.image_path}") for match in matches]
    grouped = duplicates_of(studio.engine, {node.removeprefix("garment ") for _, node in edges})
    edges += [(f"garment {path}", f"duplicates {group}") for path, group in grouped.items()]
    unit = np.array([embedding / np.linalg.norm(embedding) for embedding in found.values()])
    for at in range(1, len(keys)):
        alike = np.flatnonzero(unit[:at] @ unit[at] >= same)
        edges += [(keys[at], keys[place]) for place in alike.tolist()]
    return edges


def _embedding(model: Model, file: Path) -> np.ndarray | None:
    """(2048,) float32; None of a picture that cannot be read, and of which training learns nothing."""
    try:
        embedding = model.predict(model.decode(read(file, model.limits))).embedding
    except FashionStudioError as error:
        if error.is_ours:
            raise
        return None
    return None if is_unfit(embedding) else embedding


def _write(file: Path, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(head)
        writer.writerows(rows)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
