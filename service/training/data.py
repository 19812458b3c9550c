"""Samples of a training set: photos, and what is said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from service.errors import InvalidParameter, LabelUnknown, TrainingImpossible
from service.recommend import given_label
from service.sources import Item, read_source
from service.storage import Location

NONE = "none"  # in place of a label: the photo shows none of the categories


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo.

    label: None where only its further columns are known. outlier: whether it is known to show none of
    the categories. garment: equal for photos of the same garment.
    """

    file: Location
    source: str
    label: str | None
    group: str
    columns: dict[str, str] = field(default_factory=dict)
    outlier: bool = False
    garment: str = ""


def read_samples(
    sources: Sequence[Path], *, groups: Sequence[str] = (), garment: str | None = None
) -> list[Sample]:
    """All samples of all sources.

    groups: columns whose values are never split between training and held-out photos (a photographer,
    a garment); of several the first that a source has. By default each file is a group.
    garment: column whose equal values are photos of the same garment. By default each file is one.
    Raises `SourceInvalid`, and `InvalidParameter` where no photo has any of the columns that are named.
    """
    samples: list[Sample] = []
    for name, source in names_of(sources).items():
        for item in read_source(source):
            samples.append(
                Sample(
                    file=item.file,
                    source=name,
                    label=None if item.label == NONE else item.label,
                    group=f"{name}/{_group(item, groups)}",
                    columns={column: value for column, value in item.columns.items() if value},
                    outlier=item.label == NONE,
                    garment=f"{name}/{_group(item, (garment,) if garment else ())}",
                )
            )
    require_column(samples, groups)
    require_column(samples, [garment] if garment else [])
    return samples


def names_of(sources: Sequence[Path]) -> dict[str, Path]:
    """What each source is called, in their order: as its file or folder, with a number where another
    one before it is called so."""
    named: dict[str, Path] = {}
    for source in sources:
        stem = name = source.absolute().stem
        while name in named:
            name = f"{stem}-{1 + sum(other.absolute().stem == stem for other in named.values())}"
        named[name] = source
    return named


def require_column(samples: Sequence[Sample], columns: Sequence[str]) -> None:
    """Raises `InvalidParameter` where no photo has any of the columns: misspelt ones would do nothing."""
    there = {column for sample in samples for column in sample.columns}
    if columns and there.isdisjoint(columns):
        known = ", ".join(sorted(there)[:10]) or "none"
        raise InvalidParameter(
            f"No photo has the column {' or '.join(columns)}. Columns are: {known}."
        )


def as_known(samples: Sequence[Sample], labels: Sequence[str]) -> list[Sample]:
    """Samples with their labels as a bundle spells them, as `ingest` reads them; those of a label that it
    does not know have it as it was."""

    def known(sample: Sample) -> Sample:
        try:
            return replace(sample, label=given_label(str(sample.label), labels))
        except LabelUnknown:
            return sample

    return [sample if sample.label is None else known(sample) for sample in samples]


def state_of(file: Location) -> list[str | int]:
    """By which a file is known again: its path, size and time of change."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return [str(file), -1, -1]
    return [str(file.absolute()), found.st_size, int(found.st_mtime_ns)]


def label_order(samples: Sequence[Sample], preferred: Sequence[str]) -> tuple[str, ...]:
    """The labels found: those of `preferred` in its order, then the others by name.

    Raises `TrainingImpossible` for fewer than two categories, or a category of one photo.
    """
    counts = Counter(sample.label for sample in samples if sample.label is not None)
    if len(counts) < 2:
        raise TrainingImpossible(
            f"The data has {len(counts)} categor{'y' if len(counts) == 1 else 'ies'}; "
            "at least two are needed."
        )
    lonely = sorted(label for label, count in counts.items() if count < 2)
    if lonely:
        raise TrainingImpossible(
            f"The category {lonely[0]} has one photo; at least two are needed."
        )
    spelt: dict[str, str] = {}
    for label in counts:
        if (other := spelt.setdefault(label.casefold(), label)) != label:
            raise TrainingImpossible(f"Are {other} and {label} one category? Spell them alike.")
    known = [label for label in preferred if label in counts]
    return (*known, *sorted(set(counts) - set(known)))


def _group(item: Item, groups: Sequence[str]) -> str:
    return next((item.columns[name] for name in groups if item.columns.get(name)), item.name)
