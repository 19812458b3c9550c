"""Labels as people and tables write them: in any case, or by their number."""

from __future__ import annotations

from collections.abc import Sequence

from service.errors import LabelUnknown


def canonical(name: str, known: Sequence[str]) -> str:
    """A label as the model spells it, whatever its case. Raises `LabelUnknown`."""
    label = spelt(name, known)
    if label is None:
        raise LabelUnknown(f"{name.strip()!r} is none of the labels: {', '.join(known)}.")
    return label


def spelt(name: str, known: Sequence[str]) -> str | None:
    """The known label of that name, else one of that name in another case; None where there is none."""
    name = name.strip()
    if name in known:
        return name
    return next((label for label in known if label.casefold() == name.casefold()), None)


def number_or_name(label: str, known: Sequence[str]) -> int | str:
    """What `given_label` reads as this label: its number, but its name where that is not among the known
    or is itself a number, which then may be another's."""
    if label not in known or label.removesuffix(".0").isdecimal():
        return label
    number = known.index(label)
    return label if str(number) in known else number


def given_label(label: str, known: Sequence[str]) -> str:
    """A source's label: a category's name, or its number from 0 in the model's order.

    A name that is a number comes first; pandas writes 6.0 where others are missing. Raises `LabelUnknown`.
    """
    if label in known:
        return label
    number = label.removesuffix(".0")
    if number.isdecimal() and len(number) < 10 and int(number) < len(known):
        return known[int(number)]
    return canonical(label, known)
