"""Components bound distances from below, so that exact search may read few embeddings whole."""

import functools
import threading
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgvector import HalfVector
from sqlalchemy import text

from service.catalog import asked_garment, build_indexes, shelves, similar
from service.catalog.similarity.projection import (
    SLACK,
    Projection,
    fit,
    project_catalog,
    projection_of,
)
from service.errors import DatabaseUnavailable

from .samples import LABELS, clustered, embedding, row


def components(engine):
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT components FROM garment ORDER BY id")).scalars()
        return [None if stored is None else stored.to_numpy() for stored in rows]


def unit(vectors):
    """As they are stored, and of length 1."""
    stored = vectors.astype(np.float16).astype(np.float64)
    return stored / np.linalg.norm(stored, axis=1, keepdims=True)


def nearest(vectors, query, n):
    """The true answer: (ids, similarities), the ids from 1."""
    cosines = unit(vectors) @ unit(query[None])[0]
    order = np.lexsort((np.arange(len(cosines)), -cosines))[:n]
    return (order + 1).tolist(), cosines[order]


@functools.cache
def fitted(rows):
    return fit(clustered(rows, 1))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fitted_to=st.sampled_from([2, 40, 300]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    signed=st.booleans(),
)
def test_no_two_embeddings_are_nearer_than_their_components_say(seed, fitted_to, scale, signed):
    rng = np.random.default_rng(seed)
    others = rng.normal(0, scale, (12, 2048)) if signed else rng.gamma(0.5, scale, (12, 2048))
    vectors = np.vstack([others, clustered(12, seed % 1000)]).astype(np.float16)
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    whole = np.linalg.norm(unit[:, None] - unit, axis=2)
    reduced = fitted(fitted_to)(vectors).astype(np.float64)
    apart = np.linalg.norm(reduced[:, None] - reduced, axis=2)
    assert (apart <= whole + SLACK).all()


def test_components_order_neighbours_as_embeddings_do():
    vectors = clustered(3000, 1)
    projection = fit(vectors[:1000])
    reduced = projection(vectors).astype(np.float32)
    whole = unit(vectors)
    found = 0
    for query in range(2000, 2050):
        true = np.argsort(-(whole @ whole[query]))[:10]
        apart = np.linalg.norm(reduced - reduced[query], axis=1)
        found += len(set(true) & set(np.argsort(apart)[:50]))
    assert found >= 0.99 * 500


@pytest.mark.parametrize("projected", ["none", "some", "all"])
@pytest.mark.parametrize("n", [1, 9, 100])
def test_exact_search_is_exact(engine, shelve, projected, n):
    vectors = [shelve("Tee", 300, seed=1)]
    if projected != "none":
        assert project_catalog(engine, fit_rows=300) == 300
    vectors.append(shelve("Dress", 200, seed=2))
    if projected == "some":
        with engine.begin() as connection:
            connection.execute(text("UPDATE garment SET components = NULL WHERE id % 3 = 0"))
    whole = np.vstack(vectors)
    for query in (whole[7], clustered(5, 2)[3], clustered(5, 77)[3], embedding(5)):
        for labels, rows in ((["Tee"], whole[:300]), (list(LABELS), whole)):
            ids, cosines = nearest(rows, query, n)
            matches, method = similar(engine, query, labels=labels, n=n)
            assert method == "exact"
            assert [m.similarity for m in matches] == pytest.approx(cosines, abs=2e-6)
            assert len(set(ids) & {m.id for m in matches}) >= n - 1  # float32 may swap the last two


def test_exact_search_reads_few_embeddings_whole(engine, shelve, monkeypatch):
    vectors = shelve("Tee", 2000)
    build_indexes(engine)
    explained, execute = [], psycopg.Connection.execute

    def explain(connection, statement, parameters=None, **how):
        if "<=>" in statement:
            analyze = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
            explained.append(execute(connection, analyze + statement, parameters, prepare=False))
        return execute(connection, statement, parameters, **how)

    monkeypatch.setattr(psycopg.Connection, "execute", explain)
    assert similar(engine, vectors[3], labels=["Tee"], n=9, exact=True)[1] == "exact"
    plan = explained[0].fetchone()[0][0]["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert pages < 2000  # one embedding lies on two pages or three, and its index's


def test_more_candidates_are_taken_where_the_first_may_not_be_enough(engine, shelve):
    vectors = shelve("Tee", 1500)  # forty are alike in each group, and components do not order them
    build_indexes(engine, threshold=1000)
    for query in range(0, 1500, 75):
        matches, method = similar(engine, vectors[query], labels=["Tee"], n=10)
        assert method == "hnsw"
        true = similar(engine, vectors[query], labels=["Tee"], n=10, exact=True)[0]
        assert len(set(matches) & set(true)) >= 9


def test_a_garment_is_asked_by_the_components_that_it_has(engine, shelve, monkeypatch):
    vectors = shelve("Tee", 1200)
    build_indexes(engine, threshold=1000)
    by_vector = similar(engine, vectors[6], labels=["Tee"], n=9, exclude=[7])
    asked = asked_garment(engine, 7)
    other = replace(asked, components=np.ones(128, np.float16), fitted_at=datetime.now(UTC))
    assert similar(engine, other, labels=["Tee"], n=9) == by_vector  # not of this projection
    monkeypatch.setattr(Projection, "__call__", None)
    assert similar(engine, 7, labels=["Tee"], n=9) == by_vector
    with pytest.raises(TypeError):
        similar(engine, vectors[6], labels=["Tee"], n=9)


def test_garments_get_components_once_there_are_enough_to_fit_to(engine, shelve):
    shelve("Tee", 60)
    assert project_catalog(engine) == 0
    assert components(engine) == [None] * 60
    steps = []
    assert project_catalog(engine, fit_rows=60, progress=lambda *step: steps.append(step)) == 60
    assert steps == [(60, 60)]
    first = components(engine)
    shelve("Dress", 20, seed=2)
    later = components(engine)
    assert np.array_equal(later[:60], first)
    assert all(stored is not None for stored in later)
    assert project_catalog(engine) == 0


def test_a_catalog_without_a_model_has_none(engine):
    assert project_catalog(engine) == 0


def test_components_go_with_the_embedding_that_they_are_of(engine, shelve, loader):
    shelve("Tee", 100)
    build_indexes(engine, threshold=50)
    with engine.begin() as connection:  # by hand, or by a version that knows no components
        connection.execute(
            text("UPDATE garment SET embedding = :other, confidence = 0.1 WHERE id = 5"),
            {"other": HalfVector(embedding(1).astype(np.float16))},
        )
        connection.execute(text("UPDATE garment SET confidence = 0.1 WHERE id = 6"))
    assert [i for i, stored in enumerate(components(engine), 1) if stored is None] == [5]
    tee = shelves(engine, threshold=50)[0]
    assert (tee.unprojected, tee.state, tee.method, tee.due) == (1, "valid", "exact", "update")
    matches, method = similar(engine, embedding(1), labels=["Tee"], n=1)
    assert (matches[0].id, method) == (5, "exact")

    build_indexes(engine, threshold=50)
    assert shelves(engine, threshold=50)[0].due is None
    matches, method = similar(engine, embedding(1), labels=["Tee"], n=1)
    assert (matches[0].id, method) == (5, "hnsw")

    loader.write([row("new.jpg", embedding=embedding(2))])
    loader.write([row("new.jpg", embedding=embedding(3))])
    with engine.connect() as connection:
        projection = projection_of(connection, 1)
    assert np.array_equal(
        components(engine)[-1], projection(embedding(3).astype(np.float16)[None])[0]
    )


def test_a_batch_under_way_while_it_is_fitted_gets_its_components_too(engine, shelve, loader):
    shelve("Tee", 60)
    fitted = threading.Thread(target=lambda: project_catalog(engine, fit_rows=60))
    with engine.connect() as batch:  # as `load` holds the model until its batch is committed
        batch.execute(text("SELECT FROM model WHERE serving FOR SHARE"))
        fitted.start()
        fitted.join(0.5)
        assert fitted.is_alive()
        batch.execute(
            text(
                "INSERT INTO garment (image_path, label, label_source, confidence,"
                " predicted_label, content_sha256, embedding, model_id)"
                " SELECT 'late.jpg', label, label_source, confidence, predicted_label,"
                " content_sha256, embedding, model_id FROM garment WHERE id = 1"
            )
        )
        batch.commit()
    fitted.join(30)
    stored = components(engine)
    assert len(stored) == 61
    assert stored[-1] == pytest.approx(stored[0], abs=1e-6)  # a product's rows may round apart


def test_a_garment_that_somebody_holds_keeps_no_other_waiting(engine, shelve):
    shelve("Tee", 60)
    shelve("Dress", 20, seed=2)
    project_catalog(engine, fit_rows=60)
    with engine.begin() as connection:
        connection.execute(text("UPDATE garment SET components = NULL"))
    with engine.begin() as other:  # such as was forgotten
        other.execute(text("UPDATE garment SET updated_at = now() WHERE id = 2"))
        assert project_catalog(engine) == 79
        assert {s.label: s.unprojected for s in shelves(engine) if s.rows} == {"Tee": 1, "Dress": 0}
    assert project_catalog(engine) == 1
    assert all(stored is not None for stored in components(engine))


def test_whoever_gives_up_says_that_what_was_done_stays(engine, shelve, monkeypatch):
    shelve("Tee", 60)
    monkeypatch.setattr("service.catalog.database.patience.BUSY_PATIENCE", 0)
    with pytest.raises(DatabaseUnavailable, match=r"stay busy\. What was done stays; try again"):
        project_catalog(engine, fit_rows=60)
