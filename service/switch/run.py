"""A switch from its first photo to the swap, and the record of what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from service.catalog import (
    Building,
    Reembedding,
    Switch,
    build_indexes,
    has_generation,
    known_models,
    make_generation,
    note_recall,
    require_read,
    swap,
    tidy,
)
from service.errors import (
    DatabaseUnavailable,
    FashionStudioError,
    SwitchCancelled,
    SwitchRefused,
)
from service.model import Model
from service.studio import Studio
from service.switch.compare import Comparison, compare
from service.switch.embed import embed_beside
from service.switch.targets import load

MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Options:
    """How to switch.

    margin: share of right labels or neighbours that may be lost. force: swap whatever the comparison
    says. forget_unreadable: delete the garments whose photo cannot be read. rate: photos a second at
    most; None: as many as it can.
    """

    margin: float = MARGIN
    force: bool = False
    forget_unreadable: bool = False
    rate: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Progress = Callable[[str, int, int], None]
"""Called with the stage, and what is done of how much."""


def work_on(
    studio: Studio,
    switch: Switch,
    *,
    progress: Progress = lambda stage, done, total: None,
    resumed: tuple[type[Exception], ...] = (),
) -> Comparison | None:
    """Do a switch, from wherever an earlier attempt ended; call it within `only_switcher`.

    Returns how the models compare; None where one comes back that served before, which needs no proof.
    resumed: errors after which another worker goes on. Closes the record with what
    became of it; without a database it stays open.

    Raises `SwitchRefused`, `SwitchCancelled`, `BundleMismatch`, and as `embed_beside` and `swap`.
    """
    try:
        return _work(studio, switch, progress)
    except (DatabaseUnavailable, SwitchCancelled) as error:
        if isinstance(error, SwitchCancelled):
            switch.finish("cancelled")
        raise
    except resumed:
        switch.put_back()
        raise
    except SwitchRefused as error:
        switch.finish("refused", error.detail)
        raise
    except FashionStudioError as error:
        switch.finish("failed", error.detail)
        raise
    except Exception as error:
        switch.finish("failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C
        switch.finish("interrupted")
        raise


def _work(studio: Studio, switch: Switch, progress: Progress) -> Comparison | None:
    options = Options(**switch.options)
    old = studio.follow()
    record = next(model for model in known_models(studio.engine) if model.id == switch.model_id)
    if record.serving:
        switch.finish("done")
        return None
    new = load(studio, record)
    back = record.served_until is not None and has_generation(studio.engine, record.id)

    def beat(stage: str) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            switch.beat(stage, done, total)
            progress(stage, done, total)

        return tell

    def build(building: Building) -> None:
        switch.beat("indexing", building.done, building.total)
        progress(f"{building.label}: {building.phase}", building.done, building.total)

    generation = make_generation(studio.engine, record.id)
    beside = Reembedding(studio.engine, record.id)
    beside.try_unread_again()

    def embed(beside: Reembedding, hasty: bool = False) -> None:
        rate = None if hasty else options.rate
        embed_beside(beside, new, studio.images, rate=rate, progress=beat("embedding"))

    embed(beside)
    with studio.engine.connect() as connection:
        require_read(connection, record.id, forget=options.forget_unreadable)
    build_indexes(generation, progress=build)
    tidy(generation)
    found = (
        None if back else _compared(studio, switch, beside, old, new, options, beat("comparing"))
    )
    if options.forget_unreadable:
        beside.try_unread_again()  # a disk may have been away for a while
    embed(beside)  # what came meanwhile, however long that takes: the swap's patience ends
    swap(
        studio.engine,
        beside,
        forget_unread=options.forget_unreadable,
        catch_up=embed,
        beat=lambda: beat("swapping")(0, 0),
        conclude=switch.conclude,
    )
    for label, recall in found.figures["index_recall"].items() if found is not None else ():
        note_recall(studio.engine, label, recall)
    return found


def _compared(
    studio: Studio,
    switch: Switch,
    beside: Reembedding,
    old: Model,
    new: Model,
    options: Options,
    progress: Callable[[int, int], None],
) -> Comparison:
    """Measured and kept. Raises `SwitchRefused` where the new model is worse."""
    generation = make_generation(studio.engine, new.id)
    found = compare(
        studio.engine,
        generation,
        beside,
        old,
        new,
        studio.images,
        margin=options.margin,
        progress=progress,
    )
    switch.keep_report(found.as_dict())
    if found.regressions and not options.force:
        raise SwitchRefused(
            f"{new.card.title} does not take over: {' '.join(found.regressions)} Nothing was changed; "
            "--force takes it all the same."
        )
    return found
