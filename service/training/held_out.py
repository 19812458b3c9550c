"""Which photos are held out of training: whole groups, and every copy of a photo with them."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from service.grouping import components
from service.storage import Location, each, known_size, read_bytes
from service.training.data import Sample

HELD_OUT = 0.2  # the seed project's 80:20


def split(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """(training, held-out) without a group or a photo's bytes in both, about 80:20 within each source.

    Groups go by the hash of their name, so the same group falls on the same side in every run. Groups
    that hold the same file, in whatever source, are one, and so are those with a photo each of the same
    kin: their samples come back with one group. Raises `StorageUnavailable`.
    """
    joined = components(itertools.chain(_copies(samples), _related(samples)))
    groups = [joined.get(sample.group, sample.group) for sample in samples]
    held: set[str] = set()
    for source in sorted({sample.source for sample in samples}):
        sizes = Counter(
            group for sample, group in zip(samples, groups, strict=True) if sample.source == source
        )
        wanted = HELD_OUT * sizes.total() - sum(sizes[name] for name in held)
        for name in sorted(sizes.keys() - held, key=_hash):
            if sizes[name] <= wanted * 1.1:
                held.add(name)
                wanted -= sizes[name]
    sides: tuple[list[Sample], list[Sample]] = [], []
    for sample, group in zip(samples, groups, strict=True):
        sides[group in held].append(replace(sample, group=group))
    return sides


def doubts(
    training: Sequence[Sample],
    held_out: Sequence[Sample],
    groups: Collection[str],
    garment: str | None,
) -> Iterator[str]:
    """What speaks against figures of this split, a line each."""
    columns = {column for sample in (*training, *held_out) for column in sample.columns}
    for group in sorted(set(groups) - columns):
        yield f"No photo has the column {group}: it holds nothing together."
    if garment is not None:
        both = {s.garment for s in training} & {s.garment for s in held_out}
        if both:
            yield (
                f"{len(both)} garments have photos on both sides, and figures of such photos flatter: "
                f"--group {garment} holds them together."
            )


def large_enough(samples: Sequence[Sample], at_least: int) -> set[str]:
    """The categories of so many photos or more; the seed project's rule is 2,000."""
    counts = Counter(sample.label for sample in samples if sample.label is not None)
    return {label for label, count in counts.items() if count >= at_least}


def selected(
    samples: Sequence[Sample], *, labels: Collection[str], at_most: int | None = None
) -> list[Sample]:
    """The samples of these categories, no more than `at_most` of each: those whose name hashes lowest,
    the same in every run and wherever the source lies. The seed project's rule is 7,000. Samples without
    a label stay.
    """
    places: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.label is not None and sample.label in labels:
            places[sample.label].append(sample)
    kept: set[int] = set()
    for category in places.values():
        lowest = sorted(category, key=lambda sample: _hash(f"{sample.source}/{sample.name}"))
        kept.update(id(sample) for sample in lowest[:at_most])
    return [sample for sample in samples if sample.label is None or id(sample) in kept]


def _related(samples: Sequence[Sample]) -> Iterator[tuple[str, str]]:
    """Pairs of groups that share what `Sample.kin` names."""
    first: dict[str, str] = {}
    for sample in samples:
        for kin in sample.kin:
            if (group := first.setdefault(kin, sample.group)) != sample.group:
                yield group, sample.group


def _copies(samples: Sequence[Sample]) -> Iterator[tuple[str, str]]:
    """Pairs of groups that hold a file of the same bytes. Only files of equal size are read."""
    sizes: dict[int | None, list[Sample]] = defaultdict(list)
    for sample, size in zip(samples, each(known_size, [s.file for s in samples]), strict=True):
        sizes[size].append(sample)
    sizes.pop(None, None)  # they are left out later, and said to be
    for alike in sizes.values():
        if len({sample.group for sample in alike}) > 1:
            first: dict[bytes | None, str] = {}
            digests = each(_digest, [sample.file for sample in alike])
            for sample, digest in zip(alike, digests, strict=True):
                group = first.setdefault(digest, sample.group)
                if digest is not None and group != sample.group:
                    yield group, sample.group


def _digest(file: Location) -> bytes | None:
    try:
        return hashlib.sha256(read_bytes(file)).digest()
    except OSError:
        return None


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()
