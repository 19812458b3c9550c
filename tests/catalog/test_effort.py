"""A question takes as much effort as it needs, whatever network made the embeddings."""

import math
from itertools import pairwise

import numpy as np
import psycopg
import pytest
from sqlalchemy import text

from service.catalog import build_indexes, similar
from service.catalog.similarity.effort import ASTRAY, FAR, JUDGED, Found, efforts, enough, short

from .samples import clustered, row

LITTLE, MORE, MOST = efforts(JUDGED)


@pytest.fixture
def followed(monkeypatch):
    """The `hnsw.ef_search` of each query that is asked."""
    seen, execute = [], psycopg.Connection.execute

    def note(connection, statement, parameters=None, **how):
        if "hnsw.ef_search" in statement:
            seen.append(int(parameters["follow"]))
        return execute(connection, statement, parameters, **how)

    monkeypatch.setattr(psycopg.Connection, "execute", note)
    return seen


def test_each_effort_is_more_than_the_one_before_and_what_pgvector_takes():
    for n in (1, JUDGED, 100):
        steps = efforts(n)
        assert all(a.follow < b.follow and a.candidates < b.candidates for a, b in pairwise(steps))
        assert all(effort.candidates >= 2 * n for effort in steps)
        assert all(effort.follow > effort.candidates for effort in steps)
        assert all(effort.follow <= 1000 for effort in steps)


def found(cosine, reach, share):
    return [
        Found(1, "a.jpg", "Tee", 0.99, reach, share),
        Found(2, "b.jpg", "Tee", cosine, reach, share),
    ]


def test_it_is_enough_where_components_would_show_a_nearer_garment():
    distance = math.sqrt(2 * (1 - 0.9))
    assert enough(found(0.9, 0.95 * distance, share=0.9), LITTLE)
    assert not enough(found(0.9, 0.95 * distance, share=0.97), LITTLE)
    assert not enough(found(0.9, 0.85 * distance, share=0.9), MOST)


def test_a_question_from_elsewhere_is_followed_far_once():
    assert not enough(found(0.4, 10.0, share=0.9), LITTLE)
    assert enough(found(0.4, 10.0, share=0.9), MORE)


def test_it_is_enough_where_no_index_has_more_to_give():
    assert enough([], LITTLE)
    assert enough(found(0.1, None, share=1.0), LITTLE)


def test_an_index_that_led_to_few_is_told_apart_from_those_that_did_not():
    one = Found(1, "a.jpg", "Tee", 0.9, 0.2, 1.0)
    assert short([one], ["Tee", "Dress"]) == set()
    assert short([one._replace(led=["Tee"])], ["Tee", "Dress"]) == {"Dress"}
    assert short([one._replace(led=[])], ["Dress"]) == {"Dress"}
    assert short([], ["Tee"]) == {"Tee"}


def test_where_components_hold_all_a_question_is_asked_once(engine, loader, followed):
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(1520, 20)) @ rng.normal(size=(20, 2048)) + 5
    vectors = flat.astype(np.float32)
    loader.write([row(f"{i:06}.jpg", embedding=vector) for i, vector in enumerate(vectors[:1500])])
    build_indexes(engine, threshold=1000)
    for query in vectors[1500:]:
        followed.clear()
        matches, method = similar(engine, query, labels=["Tee"], n=10)
        assert (followed, method) == ([LITTLE.follow], "hnsw")
        assert matches == similar(engine, query, labels=["Tee"], n=10, exact=True)[0]


def test_a_far_question_finds_nearly_all(engine, shelve, followed):
    shelve("Tee", 1500, seed=1)
    build_indexes(engine, threshold=1000)
    shared = 0
    for query in clustered(60, 9)[::3]:
        followed.clear()
        matches, method = similar(engine, query, labels=["Tee"], n=10)
        true, _ = similar(engine, query, labels=["Tee"], n=10, exact=True)
        assert method == "hnsw"
        assert matches[-1].similarity < ASTRAY
        assert FAR in followed
        shared += len(set(matches) & set(true))
    assert shared >= 0.9 * 200  # of groups in which components hardly order


def test_a_label_of_which_hardly_a_garment_is_left_spares_the_others_no_effort(
    engine, shelve, followed
):
    shelve("Tee", 1500, seed=1)
    shelve("Dress", 1500, seed=2)
    build_indexes(engine, threshold=1000)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM garment WHERE label = 'Dress' AND id % 125 <> 0"))
    query = clustered(60, 9)[3]
    similar(engine, query, labels=["Tee"], n=10)
    followed.clear()
    similar(engine, query, labels=["Tee"], n=10)
    alone = max(followed)
    assert alone > LITTLE.follow
    followed.clear()
    found, method = similar(engine, query, labels=["Tee", "Dress"], n=10)
    assert (len(found), method) == (10, "hnsw")
    assert max(followed) == alone
