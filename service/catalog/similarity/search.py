"""The similarity query: nearest garments by cosine, within the labels that are searched."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import psycopg
from pgvector import HalfVector
from sqlalchemy import Connection, Engine

from service.catalog.database.engine import driver_of, reading
from service.catalog.garments import categories
from service.catalog.garments.embeddings import to_halfvec
from service.catalog.garments.single import Asked, asked_garment
from service.catalog.models.beside import beside
from service.catalog.models.generations import has_generation
from service.catalog.models.registry import serving_id
from service.catalog.schema.tables import COMPONENTS
from service.catalog.similarity.among import readable, require_among
from service.catalog.similarity.effort import JUDGED, VAST, Found, efforts, enough, short
from service.catalog.similarity.projection import SLACK, kept
from service.catalog.similarity.shelves import index_name
from service.catalog.similarity.statement import literal, lookup_sql, similar_sql
from service.domain import Match, Method
from service.errors import InvalidParameter, ModelMoved
from service.stages import stage

MAX_MATCHES = 100


class _Shelf(NamedTuple):
    """What must be known of a label before it is searched. vast: see `effort`. fitted_at: names the
    projection. here: whether the garments are those of the query's model, model_id.
    """

    indexed: bool
    vast: bool
    fitted_at: datetime | None
    here: bool
    model_id: int | None


_seen: WeakKeyDictionary[Engine, dict[str, _Shelf]] = WeakKeyDictionary()
"""How the labels were when they were last searched: good enough to ask, never to answer."""


def similar(
    place: Engine | Connection,
    query: np.ndarray | int | Asked,
    *,
    labels: Sequence[str],
    n: int,
    exclude: Collection[int] = (),
    content: str | None = None,
    min_similarity: float | None = None,
    exact: bool = False,
    model_id: int | None = None,
    among: str | None = None,
) -> tuple[tuple[Match, ...], Method]:
    """The `n` garments nearest to `query` among `labels`, by falling similarity, ties by id.

    place: see `reading`. query: an embedding, (2048,) float32, or a garment, which never matches
    itself: its id, or all that `asked_garment` says of it. n: 1 to 100. exclude: ids of garments to
    leave out. content: hex SHA-256 of the query's picture; a garment of those very bytes is the query
    itself. min_similarity: cosine, -1 to 1.
    exact: use no similarity index. The method is "hnsw" where a label's index answered for it.
    model_id: which model embedded the query; by default the one that serves. Where another serves by
    now, this one's garments are searched as long as they are kept.
    among: names of relations `among_…` of the shop's own, separated by commas, to search only the
    garments that each of them names.

    Similarities are those of the stored float16 embeddings, computed by Postgres. Fewer than `n`
    matches where the labels have fewer garments, or fewer that are similar enough.

    Raises `InvalidParameter`, `LabelUnknown`, `AmongUnknown`, `GarmentNotFound`, and `ModelMoved` where
    no garments as that model sees them are left, or a garment that is asked for is another model's by now.
    """
    if not 1 <= n <= MAX_MATCHES:
        raise InvalidParameter(f"n is {n}; it must be from 1 to {MAX_MATCHES}.")
    if min_similarity is not None and not -1 <= min_similarity <= 1:
        raise InvalidParameter(f"min_similarity is {min_similarity}; it must be from -1 to 1.")
    if not labels:
        raise InvalidParameter("There is no label to search.")
    searched = list(dict.fromkeys(labels))
    if isinstance(query, int):
        query = asked_garment(place, query)
    components: dict[datetime | None, HalfVector] = {}
    if isinstance(query, Asked):
        garment = query.garment
        if model_id not in (None, garment.model_id):
            raise ModelMoved()
        exclude, model_id = {garment.id, *exclude}, garment.model_id
        if query.components is not None:
            components[query.fitted_at] = HalfVector(query.components)
        vector = HalfVector(query.embedding)
    else:
        try:
            vector = to_halfvec(query)
        except ValueError as error:
            raise InvalidParameter(f"The query cannot be compared: {error}.") from None
    values = {
        "query": vector,
        "components": components,  # by the projection that gave them
        "exclude": sorted(exclude),
        "content": None if content is None else bytes.fromhex(content),
        "n": n,
        "slack": SLACK,
        "model_id": model_id,
    }
    exactly = frozenset(searched if exact else ())
    with reading(place) as connection:
        values["among"] = () if among is None else require_among(connection, among)
        for last in (False, False, False, True):  # models may take turns between two looks
            try:
                found, indexed = _nearest(connection, searched, values, exactly)
                break
            except ModelMoved:
                if last or model_id is None:
                    raise
            if has_generation(connection, model_id):
                kept = beside(connection.engine, model_id)
                with suppress(ModelMoved), reading(kept) as elsewhere:
                    found, indexed = _nearest(elsewhere, searched, values, exactly)
                    break
    floor = -math.inf if min_similarity is None else min_similarity
    matches = tuple(Match(*row[:4]) for row in found[:n] if row.similarity >= floor)
    return matches, "hnsw" if indexed else "exact"


def _nearest(
    connection: Connection,
    labels: Sequence[str],
    values: dict[str, Any],
    exactly: frozenset[str],
) -> tuple[list[Found], list[str]]:
    """The nearest, with as much effort as it takes, and the labels whose index gave them.

    exactly: labels to search without their index.
    """
    vast = False  # as the first search will tell, in which it makes no difference
    for step in range(len(efforts(values["n"]))):
        effort = efforts(values["n"], vast=vast)[step]
        asked = values | effort._asdict()
        found, indexed, shelves = _search(connection, labels, asked, exactly)
        while lacking := short(found, indexed):
            exactly |= lacking
            found, indexed, shelves = _search(connection, labels, asked, exactly)
        vast = any(shelves[label].vast for label in indexed)
        if not indexed or enough(found, effort, vast=vast):
            break
        values["model_id"] = shelves[labels[0]].model_id  # the query's, by now
    return found, indexed


def _search(
    connection: Connection,
    labels: Sequence[str],
    values: dict[str, Any],
    exactly: Collection[str],
) -> tuple[list[Found], list[str], dict[str, _Shelf]]:
    """The rows, the labels whose index gave them, and how the labels are.

    How the labels are is asked in the same round trip as the query, which supposes that they are as
    they were the last time. Where they are not, it is asked again.
    """
    last = _seen.setdefault(connection.engine, {})
    while not last.keys() >= set(labels):  # a category may come while it is asked for
        with driver_of(connection) as driver:
            looked_up = _look_up(connection, driver, lookup_sql(), labels, values)
            last.update(_shelves(connection, labels, looked_up, values["model_id"]))
    while True:
        supposed = {label: last[label] for label in labels}
        indexed = [label for label in labels if supposed[label].indexed and label not in exactly]
        components = _components(connection, supposed[labels[0]].fitted_at, values)
        asked = values | {"components": components}
        others = [label for label in labels if label not in indexed]
        if indexed:
            asked["n"] = max(values["n"], JUDGED)
        statement = similar_sql(tuple(map(literal, indexed)), bool(others), values["among"])
        attributes = {"db.system.name": "postgresql", "db.query.text": statement.strip()}
        lookup = lookup_sql(by_indexes=bool(indexed), among=bool(values["among"]))
        with (
            readable(values["among"]), driver_of(connection) as driver, stage("sql", attributes),
        ):  # fmt: skip
            # One transaction, which the settings end with: psycopg sends what is in a pipeline
            # before a single Sync
            with driver.pipeline():
                looked_up = _look_up(connection, driver, lookup, labels, values)
                answer = driver.execute(statement, asked | {"labels": others})
            rows = [Found(*row) for row in answer.fetchall()]
        found = _shelves(connection, labels, looked_up, values["model_id"])
        last.update(found)
        if supposed == found:
            return rows, indexed, found


def _look_up(
    connection: Connection,
    driver: psycopg.Connection,
    lookup: str,
    labels: Sequence[str],
    values: dict[str, Any],
) -> list[psycopg.Cursor]:
    asked = {
        "home": connection.get_execution_options().get("home"),
        "model_id": values["model_id"],
        "follow": str(values["follow"]),
        "vast": VAST,
    }
    return [
        driver.execute(lookup, asked | {"label": label, "index": index_name(label)})
        for label in labels
    ]


def _shelves(
    connection: Connection,
    labels: Sequence[str],
    looked_up: Sequence[psycopg.Cursor],
    model_id: int | None,
) -> dict[str, _Shelf]:
    """Raises `LabelUnknown`, and `ModelMoved` where the garments are another model's."""
    found = {name: _Shelf(*row[:5]) for one in looked_up for name, *row in one.fetchall()}
    if not all(shelf.here for shelf in found.values()):
        raise ModelMoved()
    if len(found) < len(labels):
        home = connection.get_execution_options().get("home")
        if home is None and model_id not in (None, serving_id(connection)):
            raise ModelMoved()  # a label may have gone with its model
        categories.require(connection, labels)
    return found


def _components(
    connection: Connection, fitted_at: datetime | None, values: dict[str, Any]
) -> HalfVector:
    """Without a projection no garment has components, and those of the query say nothing."""
    known: dict[datetime | None, HalfVector] = values["components"]
    if fitted_at not in known:
        projection, found = kept(connection, fitted_at), np.zeros(COMPONENTS, np.float16)
        if projection is not None:
            found = projection(values["query"].to_numpy()[None])[0]
        known[fitted_at] = HalfVector(found)
    return known[fitted_at]
