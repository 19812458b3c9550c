"""Which photos are learnt from, which are held out, and what is learnt of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.errors import InvalidParameter, TrainingImpossible
from service.sources import LABEL
from service.storage import Location
from service.training.data import Sample, read_samples, require_column, require_task
from service.training.held_out import HELD_OUT, large_enough, selected, split


@dataclass(frozen=True, slots=True)
class Selection:
    """What is learnt of which photos.

    sources, image_root, groups, garment: see `read_samples`. tasks, alike: see `targets_of`.
    guess: columns of these that photos without them are guessed in, see `guessed`.
    at_least, at_most: photos of a category, see `large_enough` and `selected`; a fifth of the most is
    held out, so that it is three or more.
    """

    sources: Sequence[Location]
    image_root: Location | None = None
    groups: Sequence[str] = ()
    garment: str | None = None
    tasks: Sequence[str] = ()
    alike: Mapping[str, float] = field(default_factory=dict)
    guess: Sequence[str] = ()
    at_least: int = 0
    at_most: int | None = None


def choose(selection: Selection) -> tuple[list[Sample], list[Sample]]:
    """The photos to learn from, and those held out."""
    samples = read_samples(
        selection.sources,
        image_root=selection.image_root,
        groups=selection.groups,
        garment=selection.garment,
    )
    for task in selection.tasks:
        require_task(samples, task)
    for column in selection.alike:
        if column != LABEL:
            require_column(samples, [column])
    for column in selection.guess:
        if column not in (*selection.tasks, *selection.alike):
            raise InvalidParameter(
                f"--guess {column} bears on a --task or an --alike: name it there, too."
            )
    # Split before some are left out, so that the same photos are held out as for evaluate and calibrate
    training, held_out = split(samples)
    large, most = large_enough(samples, selection.at_least), selection.at_most
    if len(large) < 2 and selection.at_least > 1:
        raise TrainingImpossible(
            f"{len(large) or 'No'} {'category has' if len(large) else 'categories have'} "
            f"{selection.at_least} photos or more; at least two are needed. Lower --min-photos."
        )
    apart = None if most is None else round(HELD_OUT * most)
    rest = None if most is None or apart is None else most - apart
    training = selected(training, labels=large, at_most=rest)
    return training, selected(held_out, labels=large, at_most=apart)
