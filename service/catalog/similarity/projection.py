"""Principal components of the catalog's embeddings: what similarity indexes are built on.

An embedding has 2,048 values, but those of one network lie close to a space of few dimensions. Its
first 128 principal components are 1/16 of the bytes, and order neighbours nearly as all values do:
the candidates that they give are compared again by the whole embeddings (`search`).

Components are of the embedding scaled to length 1, less the catalog's mean. A projection never
lengthens a difference, so that their distance is a lower bound, up to `SLACK`:

    |components(a) - components(b)| <= |a/|a| - b/|b|| = sqrt(2 * cosine distance)

which is what an exact search rests on (filter and refine; Faloutsos et al. 1994, "Fast subsequence
matching in time-series databases").

One projection belongs to a model. It is fitted once, to a sample of the garments that are there,
and then kept: components of two projections cannot be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

import numpy as np
from pgvector import HalfVector
from sqlalchemy import Connection, Engine, text

from service.catalog.database.engine import driver_of
from service.catalog.database.patience import until_free
from service.catalog.garments.embeddings import from_sent, of_unit_length, unfit_rows
from service.catalog.schema.tables import COMPONENTS, FEATURES

FIT_ROWS = 1_000
"""Garments from which a projection is fitted. Fitted to 500 of one label it still found 0.999 of the
true neighbours among the first 50 of another label's 25,000 (`benchmarks/projection.py`)."""

SAMPLE = 2_000  # garments that it is fitted to, at most
BATCH = 1_000  # garments given their components in one transaction

OVERSAMPLED, ITERATIONS = 64, 4

SLACK = 0.002
"""Above what two roundings add to a distance: a component is off by 2^-11 of itself, and the
components of a difference of unit vectors are at most 2 long."""

FITTED_AT = text("SELECT created_at FROM projection WHERE model_id = :model_id")

LOAD = text("SELECT mean, components FROM projection WHERE created_at = :fitted_at")

# Of the garments that the connection sees (see `generations`)
MODEL = text("""
    SELECT id FROM model
    WHERE CASE WHEN CAST(:model_id AS integer) IS NULL THEN serving ELSE id = :model_id END
    FOR UPDATE
""")

ENOUGH = text("SELECT count(*) FROM (SELECT FROM garment LIMIT :rows) AS enough")

DRAW = text("""
    SELECT halfvec_send(embedding) FROM garment
    WHERE id IN (SELECT id FROM garment ORDER BY random() LIMIT :rows)
""")

STORE = text("""
    INSERT INTO projection (model_id, mean, components, fitted_to)
    VALUES (:model_id, :mean, :components, :fitted_to)
""")

# A writer that meets these rows waits, so that no embedding changes between reading it and storing
# its components. Those that somebody else holds, for whatever long, the next run takes
MISSING = text("""
    SELECT id, halfvec_send(embedding) AS embedding FROM garment
    WHERE id > :after AND components IS NULL
    ORDER BY id
    LIMIT :rows
    FOR NO KEY UPDATE SKIP LOCKED
""")

STAGING = text("CREATE TEMPORARY TABLE fitted (id bigint, components halfvec) ON COMMIT DROP")
COPY = "COPY fitted FROM STDIN (FORMAT BINARY)"
FILL = text("""
    UPDATE garment SET components = fitted.components FROM fitted WHERE garment.id = fitted.id
""")

COUNT_MISSING = text("SELECT count(*) FROM garment WHERE components IS NULL")


@dataclass(frozen=True, slots=True)
class Projection:
    """mean: (2048,) float32. directions: (2048, 128) float32, of spectral norm at most 1."""

    mean: np.ndarray
    directions: np.ndarray

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """(n, 2048) of any float dtype, none of length 0, to (n, 128) float16."""
        unit = of_unit_length(embeddings)
        unit -= self.mean
        return (unit @ self.directions).astype(np.float16)


def fit(embeddings: np.ndarray) -> Projection:
    """The principal components of embeddings, (n, 2048) of any float dtype, none of length 0.

    By subspace iteration (Halko et al. 2011, "Finding structure with randomness"): a tenth of the
    time of an eigendecomposition, and the directions need not be exact, only orthogonal.
    """
    spread = of_unit_length(embeddings)
    mean = spread.mean(axis=0)
    spread -= mean
    guess = np.random.default_rng(0).normal(size=(FEATURES, COMPONENTS + OVERSAMPLED))
    basis = np.linalg.qr(guess.astype(np.float32))[0]
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(spread.T @ (spread @ basis))[0]
    _, _, turned = np.linalg.svd(spread @ basis, full_matrices=False)
    found = basis if len(turned) < COMPONENTS else basis @ turned[:COMPONENTS].T
    return Projection(mean, _shortening(found[:, :COMPONENTS]))


def _shortening(directions: np.ndarray) -> np.ndarray:
    """The directions rounded to float16 such that they still lengthen nothing, as SLACK supposes."""
    scale = 1.0
    while True:
        stored = (scale * directions).astype(np.float16).astype(np.float32)
        if np.linalg.norm(stored, ord=2) <= 1:
            return stored
        scale -= 2**-11


_kept: WeakKeyDictionary[Engine, tuple[datetime, Projection]] = WeakKeyDictionary()


def projection_of(connection: Connection, model_id: int) -> Projection | None:
    """The model's projection; None where none was fitted yet."""
    return kept(connection, connection.scalar(FITTED_AT, {"model_id": model_id}))


def kept(connection: Connection, fitted_at: datetime | None) -> Projection | None:
    """The projection of that time, read once a process: it never changes. None where there is none, or
    none any more: it goes with its model."""
    if fitted_at is None:
        return None
    last = _kept.get(connection.engine)
    if last is None or last[0] != fitted_at:
        row = connection.execute(LOAD, {"fitted_at": fitted_at}).one_or_none()
        if row is None:
            return None
        stored = np.frombuffer(row.components, np.float16).reshape(FEATURES, COMPONENTS)
        projection = Projection(np.frombuffer(row.mean, np.float32), stored.astype(np.float32))
        last = _kept[connection.engine] = fitted_at, projection
    return last[1]


def project_catalog(
    engine: Engine,
    *,
    fit_rows: int = FIT_ROWS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Fit the model's projection where it is due, and give components to the garments that
    lack them; returns how many got theirs.

    A killed call goes on with what is left, as does the next one with garments that another
    transaction holds. Searches go on meanwhile, and are exact for the labels
    that are not through yet. fit_rows: fit from that many garments on. progress: called with
    garments done and in all. Raises `DatabaseUnavailable` where the table stays locked.
    """
    with engine.begin() as connection:
        # Writers hold the model's row until their batch is committed (see `load`): what they wrote
        # without components is there to be found below, and later batches have theirs
        seen = connection.get_execution_options().get("model_id")
        model_id = connection.scalar(MODEL, {"model_id": seen})
        if model_id is None:
            return 0
        projection = projection_of(connection, model_id)
        if projection is None:
            if connection.scalar(ENOUGH, {"rows": fit_rows}) < fit_rows:
                return 0
            projection = _fit_and_store(connection, model_id)
    with engine.connect() as connection:
        total = connection.scalar(COUNT_MISSING) or 0
    done = after = 0
    filled: list[int] = []

    def fill() -> bool:
        nonlocal filled
        with engine.begin() as connection:
            # Gives way to whoever waits for the whole table
            connection.execute(text("SET LOCAL lock_timeout = '300ms'"))
            rows = connection.execute(MISSING, {"after": after, "rows": BATCH}).all()
            filled = [row.id for row in rows]
            if rows:
                _fill(connection, projection, filled, [row.embedding for row in rows])
        return True

    while total:
        until_free(fill, so_far="What was done stays")
        if not filled:
            break
        done, after = done + len(filled), filled[-1]
        progress(done, max(total, done))
    return done


def _fit_and_store(connection: Connection, model_id: int) -> Projection:
    sample = np.stack([from_sent(sent) for sent in connection.scalars(DRAW, {"rows": SAMPLE})])
    projection = fit(sample[~unfit_rows(sample)])
    connection.execute(
        STORE,
        {
            "model_id": model_id,
            "mean": projection.mean.tobytes(),
            "components": projection.directions.astype(np.float16).tobytes(),
            "fitted_to": len(sample),
        },
    )
    return projection


def _fill(
    connection: Connection, projection: Projection, ids: list[int], embeddings: list[bytes]
) -> None:
    whole = np.stack([from_sent(sent) for sent in embeddings])
    unfit = unfit_rows(whole)  # written by hand: it has no direction, and is found by no search
    whole[unfit] = 1
    components = projection(whole)
    components[unfit] = 0
    connection.execute(STAGING)
    with driver_of(connection) as driver, driver.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.set_types(["int8", "halfvec"])
        for garment_id, row in zip(ids, components, strict=True):
            copy.write_row((garment_id, HalfVector(row)))
    connection.execute(FILL)
