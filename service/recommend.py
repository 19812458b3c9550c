"""Questions and their answers: more like this photo, more like this garment, what is in these photos."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, Engine

from service.catalog import (
    Asked,
    asked_garment,
    category_names,
    is_empty,
    random_garment,
    reading,
    require_among,
    similar,
    top_of,
)
from service.domain import (
    Garment,
    Image,
    LabelConfidence,
    LabelCount,
    Match,
    Method,
    Recommendation,
)
from service.errors import CatalogEmpty, GarmentNotFound, InvalidParameter, LabelUnknown, ModelMoved
from service.labels import canonical, spelt
from service.model import Model
from service.studio import Studio

MOST = 100  # neighbours in one answer
ATTEMPTS = 3  # where the catalog is given another model, or loses the garment, while it answers

Answer = TypeVar("Answer")
_Found = tuple[tuple[str, ...], tuple[Match, ...], Method]
"""The labels that were searched, what was found, and how."""


@dataclass(frozen=True, slots=True)
class Query:
    """How to search.

    n: how many matches, 1 to 100. label: `auto` (the photo's own), `any`, or names.
    mass: with `auto`, search every label needed to reach this probability, 0 to 1.
    min_similarity: leave out matches below this cosine. exact: use no approximate index.
    among: search only the garments that the views or tables `among_…` of these names name, names
    separated by commas.
    """

    n: int = 9
    label: str = "auto"
    mass: float | None = None
    min_similarity: float | None = None
    exact: bool = False
    among: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MOST:
            raise InvalidParameter(f"n is {self.n}; it must be from 1 to {MOST}.")
        if self.mass is not None and not 0 < self.mass <= 1:
            raise InvalidParameter(f"mass is {self.mass:g}; it must be above 0 and at most 1.")
        if self.mass is not None and self.label.strip() != "auto":
            raise InvalidParameter("mass goes with label=auto only: it chooses the labels itself.")
        if self.min_similarity is not None and not -1 <= self.min_similarity <= 1:
            raise InvalidParameter(
                f"min_similarity is {self.min_similarity:g}; it must be from -1 to 1."
            )


def similar_to_photo(
    studio: Studio, photo: Image, query: Query, model: Model | None = None
) -> Recommendation:
    """The catalog's garments most like a photo; one of the very same bytes is the photo itself.

    model: which decoded it; by default the one that answers now. Network, labels and garments are all
    of one model. Where no garment is recognised there is no label of the photo's own to search: no
    matches, unless the query names labels or `any`. Raises `LabelUnknown`, `AmongUnknown`, `CatalogEmpty`.
    """
    model = model if model is not None else studio.model
    prediction = model.predict(photo)
    own = prediction.labels if prediction.recognised else ()

    def ask(engine: Engine, there: Collection[str] | None = None) -> _Found:
        labels = labels_to_search(own, query, _those(model.labels, there))
        found: _Found = (), (), "exact"
        if labels:
            found = _search(engine, prediction.embedding, labels, query, model.id, photo.sha256)
        elif query.among is not None:  # one that is not there is told, whatever the photo shows
            require_among(engine, query.among)
        if not found[1] and is_empty(engine):
            raise CatalogEmpty()
        return found

    try:
        searched, matches, method = _read(studio, query, ask)
    except ModelMoved:  # and what it said of the garments is gone
        return similar_to_photo(studio, photo, query, studio.successor(model))
    return Recommendation(
        labels=prediction.labels,
        matches=matches,
        searched_labels=searched,
        method=method,
        requested=query.n,
        model=model.card.title,
        sha256=photo.sha256,
        recognised=prediction.recognised,
    )


def similar_to_garment(studio: Studio, garment_id: int | None, query: Query) -> Recommendation:
    """The catalog's garments most like one of it, itself left out; its label counts as certain.

    garment_id: None for one by chance. Raises `GarmentNotFound`, and what `similar_to_photo` raises.
    """

    def ask(engine: Engine, there: Collection[str] | None = None) -> tuple[Garment, _Found]:
        with reading(engine) as connection:
            asked = asked_garment(connection, number)
            garment, model = asked.garment, studio.model
            # The labels that garments have beside this one, which another model may have embedded by now
            known = model.labels if garment.model_id == model.id else category_names(connection)
            labels = labels_to_search(_certain(garment), query, _those(known, there))
            return garment, _search(
                connection, asked, labels, query, garment.model_id, asked.content
            )

    for attempt in range(ATTEMPTS):
        number = garment_id if garment_id is not None else studio.read(random_garment).id
        try:
            garment, (searched, matches, method) = _read(studio, query, ask)
            break
        except ModelMoved:
            if attempt == ATTEMPTS - 1:
                raise
        except GarmentNotFound:
            if attempt == ATTEMPTS - 1 or garment_id is not None:
                raise
    return Recommendation(
        labels=_certain(garment),
        matches=matches,
        searched_labels=searched,
        method=method,
        requested=query.n,
        model=garment.model,
        garment=garment,
    )


def _read(studio: Studio, query: Query, ask: Callable[..., Answer]) -> Answer:
    """What `ask` says; for `any` of the labels that are there, where one of them is not.

    A label that no garment has may have gone with the model that knew it.
    """

    def known(engine: Engine) -> Answer:
        try:
            return ask(engine)
        except LabelUnknown:
            if query.label.strip() != "any":
                raise
        return ask(engine, category_names(engine))

    return studio.read(known)


def _search(
    place: Engine | Connection,
    asked: np.ndarray | Asked,
    labels: tuple[str, ...],
    query: Query,
    model_id: int,
    content: str | None = None,
) -> _Found:
    matches, method = similar(
        place,
        asked,
        labels=labels,
        n=query.n,
        content=content,
        min_similarity=query.min_similarity,
        exact=query.exact,
        model_id=model_id,
        among=query.among,
    )
    return labels, matches, method


def _those(labels: Sequence[str], there: Collection[str] | None) -> Sequence[str]:
    """The labels that are there; None: all."""
    return labels if there is None else [label for label in labels if label in there]


def _certain(garment: Garment) -> tuple[LabelConfidence, ...]:
    return (LabelConfidence(garment.label, 1.0),)


def labels_to_search(
    labels: Sequence[LabelConfidence], query: Query, known: Sequence[str]
) -> tuple[str, ...]:
    """The gate: which labels a query searches. Raises `LabelUnknown`, naming the known ones.

    labels: the photo's, by falling probability; none where no garment is recognised.
    """
    match query.label.strip():
        case "any":
            return tuple(known)
        case "auto":
            return _most_probable(labels, query.mass)
        case names:
            if (label := spelt(names, known)) is not None:  # which may have a comma in it
                return (label,)
            return tuple(dict.fromkeys(canonical(name, known) for name in names.split(",")))


def _most_probable(labels: Sequence[LabelConfidence], mass: float | None) -> tuple[str, ...]:
    """The fewest labels, by falling probability, that reach `mass`; without it the first one."""
    chosen, reached = [], 0.0
    for scored in labels:
        chosen.append(scored.label)
        reached += scored.confidence
        if mass is None or reached >= mass:
            break
    return tuple(chosen)


def top_categories(studio: Studio, labels: Sequence[str], k: int | None) -> list[LabelCount]:
    """The most common of `labels`, counted by the same SQL that counts a stored set."""
    return top_of(studio.engine, labels, k if k is not None else len(studio.model.labels))
