"""Samples of a training set: photos, and what is said of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from service.errors import InvalidParameter, LabelUnknown, TrainingImpossible
from service.labels import given_label
from service.sources import LABEL, Item, read_source
from service.storage import Location
from service.summary import printable
from service.training.network import FEATURES, LOGITS

T = TypeVar("T")

NONE = "none"  # in place of a label: the photo shows none of the categories


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo.

    label: None where only its further columns are known. outlier: whether it is known to show none of
    the categories. garment: equal for photos of the same garment. name: what the source calls it.
    kin: what else it has in common with photos that stay on its side, see `read_samples`.
    """

    file: Location
    source: str
    label: str | None
    group: str
    columns: dict[str, str] = field(default_factory=dict)
    outlier: bool = False
    garment: str = ""
    name: str = ""
    kin: tuple[str, ...] = ()


def read_samples(
    sources: Sequence[Location],
    *,
    image_root: Location | None = None,
    groups: Sequence[str] = (),
    garment: str | None = None,
) -> list[Sample]:
    """All samples of all sources.

    sources, image_root: as `read_source` takes them; the latter is of every source.
    groups: columns whose values are never split between training and held-out photos (a photographer,
    a garment), whatever source they are in. By default each file is a group.
    garment: column whose equal values are photos of the same garment, within a source: garments of
    another one, such as drawn ones, may be numbered alike. By default each file is one.
    Raises `SourceInvalid`, `StorageUnavailable`, and `InvalidParameter` where no photo has any of the
    columns that are named.
    """
    items = [
        (name, item)
        for name, source in names_of(sources).items()
        for item in read_source(source, image_root=image_root)
    ]
    first = _first_sources(items, groups)
    samples = [
        Sample(
            file=item.file,
            source=name,
            label=None if _is_none(item) else item.label,
            group=_group(item, name, groups, first),
            columns={column: value for column, value in item.columns.items() if value},
            outlier=_is_none(item),
            garment=f"{name}/{(garment and item.columns.get(garment)) or item.name}",
            name=item.name,
            kin=tuple(
                f"{column}={item.columns[column]}" for column in groups if item.columns.get(column)
            ),
        )
        for name, item in items
    ]
    require_column(samples, groups)
    require_column(samples, [garment] if garment else [])
    return samples


def names_of(sources: Sequence[Location]) -> dict[str, Location]:
    """What each source is called, in their order: as its file, folder or bucket, with a number where
    another one before it is called so."""
    named: dict[str, Location] = {}
    for source in sources:
        stem = name = _stem(source)
        numbers = itertools.count(2)
        while name in named:
            name = f"{stem}-{next(numbers)}"
        named[name] = source
    return named


def _stem(source: Location) -> str:
    place = source.absolute()
    return printable(place.stem or str(place).rstrip("/").rpartition("/")[2])


def require_column(samples: Sequence[Sample], columns: Sequence[str]) -> None:
    """Raises `InvalidParameter` where no photo has any of the columns: misspelt ones would do nothing."""
    there = {column for sample in samples for column in sample.columns}
    if columns and there.isdisjoint(columns):
        known = ", ".join(sorted(there)[:10]) or "none"
        raise InvalidParameter(
            f"No photo has the column {' or '.join(columns)}. Columns are: {known}."
        )


def require_task(samples: Sequence[Sample], task: str) -> None:
    """Raises `InvalidParameter` for a column that nothing can be learnt of."""
    require_column(samples, [task])
    if task in (FEATURES, LOGITS) or not (task.isascii() and task.isidentifier()):
        raise InvalidParameter(
            f"--task {task}: name the column with letters a to z, digits and underscores, and neither "
            f"{FEATURES} nor {LOGITS}."
        )


def some_of(items: Sequence[T], most: int) -> list[T]:
    """At most so many of them, in their order; by chance, the same in every run. Every k-th would be of
    one category where a source deals them in turn."""
    chosen = np.random.default_rng(0).permutation(len(items))[:most]
    return [items[place] for place in sorted(chosen)]


def telling(*sides: Sequence[Sample]) -> list[list[Sample]]:
    """Those of each side that say what they show.

    A photo without a label stands for what is no garment of the labels, unless some photo, on whatever
    side, is labelled `none`: then it says nothing.
    """
    if not any(sample.outlier for side in sides for sample in side):
        return [list(side) for side in sides]
    return [[s for s in side if s.label is not None or s.outlier] for side in sides]


def by_known_label(
    samples: Sequence[Sample], labels: Sequence[str]
) -> tuple[list[Sample], list[Sample]]:
    """Samples that a bundle of these labels can be asked about, and those of a label that it does not know.

    The first have their labels as it spells them, as `ingest` reads them, or none.
    """
    known: list[Sample] = []
    unknown: list[Sample] = []
    for sample in samples:
        try:
            label = None if sample.label is None else given_label(sample.label, labels)
            known.append(replace(sample, label=label))
        except LabelUnknown:
            unknown.append(sample)
    return known, unknown


def label_order(samples: Sequence[Sample], preferred: Sequence[str]) -> tuple[str, ...]:
    """The labels found: those of `preferred` in its order, then the others by name.

    Raises `TrainingImpossible` for fewer than two categories, a category of one photo, and names that
    no catalog can hold or tell apart.
    """
    counts = Counter(sample.label for sample in samples if sample.label is not None)
    if not counts:
        raise TrainingImpossible(
            f"No photo has a label. Give a folder for each category, or a table with the column {LABEL}."
        )
    spelt: dict[str, str] = {}
    for label in sorted(counts):
        if printable(label) != label:
            raise TrainingImpossible(
                f"The category {printable(label)} is not valid UTF-8. Give it another name."
            )
        if (other := spelt.setdefault(label.casefold(), label)) != label:
            raise TrainingImpossible(f"Are {other} and {label} one category? Spell them alike.")
    if len(counts) < 2:
        raise TrainingImpossible(
            f"The data has 1 category, {next(iter(counts))}; at least two are needed."
        )
    lonely = sorted(label for label, count in counts.items() if count < 2)
    if lonely:
        raise TrainingImpossible(
            f"The category {lonely[0]} has one photo; at least two are needed."
        )
    known = [label for label in preferred if label in counts]
    return (*known, *sorted(set(counts) - set(known)))


def _is_none(item: Item) -> bool:
    return item.label is not None and item.label.casefold() == NONE


def _first_sources(
    items: Sequence[tuple[str, Item]], groups: Sequence[str]
) -> dict[tuple[str, str], str]:
    """The source, by name, that each column's value is first in."""
    first: dict[tuple[str, str], str] = {}
    for source, item in items:
        if (key := _grouped_by(item, groups)) is not None:
            first[key] = min(source, first.get(key, source))
    return first


def _group(
    item: Item, source: str, groups: Sequence[str], first: dict[tuple[str, str], str]
) -> str:
    """A group is called after a source, not its column: it is its name that says which side it falls on,
    and bundles that were trained before sources could share one must keep theirs."""
    key = _grouped_by(item, groups)
    return f"{source}/{item.name}" if key is None else f"{first[key]}/{key[1]}"


def _grouped_by(item: Item, groups: Sequence[str]) -> tuple[str, str] | None:
    return next(((name, item.columns[name]) for name in groups if item.columns.get(name)), None)
