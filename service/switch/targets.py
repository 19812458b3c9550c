"""Which model is meant: a bundle's folder, or a model that the catalog knows."""

from __future__ import annotations

import os
from pathlib import Path

from service.catalog import (
    ModelRecord,
    close_silent,
    drop_generation,
    has_generation,
    known_models,
    note_folder,
    only_switcher,
    open_switch,
    register,
)
from service.encoder import find_bundle, forget_bundle, keep_bundle, place_of, read_card
from service.encoder.bundle import CARD
from service.errors import InvalidParameter, ModelNotFound, SwitchRunning
from service.model import Model
from service.studio import Studio

PREVIOUS = "previous"


def prepare(studio: Studio, target: str) -> ModelRecord:
    """The model that `models use` is to let serve, its bundle kept on this machine.

    target: a bundle's folder, `shipped`, or what `model_of` takes. The serving one's bundle is kept
    as well, so that there is a way back. Raises `BundleInvalid`, `BundleMismatch`, `ModelNotFound`.
    """
    serving = studio.model
    note_folder(
        studio.engine,
        serving.id,
        str(keep_bundle(studio.settings, serving.folder, serving.card)),
    )
    folder = place_of(target)
    if target.casefold() != PREVIOUS and _is_bundle(folder):
        card = read_card(folder)
        kept = str(keep_bundle(studio.settings, folder, card))
        model_id = register(studio.engine, **card.identity, folder=kept)
        return next(model for model in known_models(studio.engine) if model.id == model_id)
    return model_of(studio, target)


def _is_bundle(target: Path) -> bool:
    """Also one that this user may not look into, which is better said than taken for a name."""
    return os.path.exists(target / CARD) or (
        os.path.isdir(target) and not os.access(target, os.X_OK)
    )


def model_of(studio: Studio, target: str) -> ModelRecord:
    """A model that the catalog knows: its number, `name@version`, or `previous`, the one before.

    Raises `ModelNotFound`, `InvalidParameter` where a name is not one model's.
    """
    known = known_models(studio.engine)
    if target.casefold() == PREVIOUS:
        kept = [m for m in known if m.served_until and has_generation(studio.engine, m.id)]
        if not kept:
            raise ModelNotFound("No model that served before is kept.")
        return max(
            kept, key=lambda model: model.served_until.timestamp() if model.served_until else 0
        )
    found = [model for model in known if target in (str(model.id), model.title)]
    if not found:
        raise ModelNotFound(
            f"{target} is neither a bundle's folder nor a model of this catalog, which are: "
            f"{', '.join(f'{model.id} {model.title}' for model in known)}."
        )
    if len(found) > 1:
        numbers = ", ".join(str(model.id) for model in found)
        raise InvalidParameter(f"Several models are {target}. Give one's number: {numbers}.")
    return found[0]


def load(studio: Studio, record: ModelRecord) -> Model:
    """That model, its bundle found on this machine. Raises `BundleMismatch`, `BundleInvalid`."""
    folder = find_bundle(studio.settings, record.title, record.content_sha256, record.folder)
    card = read_card(folder)
    return Model(studio.settings, record.id, folder, card, card.labels)


def drop_model(studio: Studio, record: ModelRecord) -> None:
    """Free what a model takes: its embeddings beside, and this machine's copy of its bundle.

    Raises `InvalidParameter` for the one that serves, `SwitchRunning` while one is at work.
    """
    if record.serving:
        raise InvalidParameter(f"{record.title} serves: let another one take over first.")
    with only_switcher(studio.engine):
        close_silent(studio.engine)
        waiting = open_switch(studio.engine)
        if waiting is not None and waiting.state == "queued":
            raise SwitchRunning()
        drop_generation(studio.engine, record.id)
    forget_bundle(studio.settings, record.content_sha256)
