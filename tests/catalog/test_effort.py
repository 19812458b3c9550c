"""A question takes as much effort as it needs, whatever network made the embeddings."""

import math
import re
from itertools import pairwise, product

import numpy as np
import psycopg
import pytest
from sqlalchemy import text

from service.catalog import build_indexes, similar
from service.catalog.similarity import search
from service.catalog.similarity.effort import (
    ASTRAY,
    FAR,
    JUDGED,
    VAST,
    VAST_ASTRAY,
    Found,
    efforts,
    enough,
    short,
)

from ..docs.pages import page
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
    for n, vast in product((1, JUDGED, 100), (False, True)):
        steps = efforts(n, vast=vast)
        assert steps[0] == efforts(n)[0]  # in which a search does not know yet
        assert all(a.candidates < b.candidates for a, b in pairwise(steps))
        # Very many are followed as far as can be at once
        assert all(a.follow < b.follow for a, b in pairwise(steps[:2] if vast else steps))
        assert all(effort.candidates >= 2 * n for effort in steps)
        assert all(effort.follow > effort.candidates for effort in steps)
        assert all(effort.follow <= 1000 for effort in steps)


def test_the_page_on_indexes_gives_the_same_rule():
    section = " ".join(page("docs/indexes.md").split("## The query")[1].split("##")[0].split())
    first, further, last = efforts(JUDGED)
    vast = efforts(JUDGED, vast=True)[1]
    assert re.findall(r"(?:LIMIT|ef_search =|with|or) (\d+)", section) == [
        str(number) for number in (first.candidates, JUDGED, first.follow, *further, *vast, *last)
    ]
    assert ASTRAY == 1  # no factor
    assert f"in a label of more than {VAST:,} at most {VAST_ASTRAY} times that" in section


def found(cosine, reach, share, off=1.0):
    return [
        Found(1, "a.jpg", "Tee", 0.99, reach, share, off),
        Found(2, "b.jpg", "Tee", cosine, reach, share, off),
    ]


def test_it_is_enough_where_components_would_show_a_nearer_garment():
    distance = math.sqrt(2 * (1 - 0.9))
    assert enough(found(0.9, 0.95 * distance, share=0.9), LITTLE)
    assert not enough(found(0.9, 0.95 * distance, share=0.97), LITTLE)
    assert not enough(found(0.9, 0.85 * distance, share=0.9), MOST)


@pytest.mark.parametrize("vast", [False, True])
def test_a_question_from_elsewhere_is_followed_far_once(vast):
    assert not enough(found(0.4, 10.0, share=0.9), LITTLE, vast=vast)
    assert enough(found(0.4, 10.0, share=0.9), efforts(JUDGED, vast=vast)[1], vast=vast)


def test_what_is_far_is_told_by_the_distance_from_the_middle_whatever_the_network():
    """Of one whose cosines are all high, garments lie close to the middle."""
    alike, close = found(0.9, 10.0, 0.9, off=1.0), found(0.9, 10.0, 0.9, off=0.4)
    assert enough(alike, LITTLE)
    assert not enough(close, LITTLE)


def test_among_very_many_a_question_is_taken_to_be_from_elsewhere_sooner():
    between = found(0.7, 10.0, share=0.9)
    assert enough(between, LITTLE)
    assert not enough(between, LITTLE, vast=True)
    assert enough(found(0.8, 10.0, share=0.9), LITTLE, vast=True)


def test_that_a_hundred_are_wanted_makes_none_of_them_far():
    """The hundredth is further than the tenth."""
    tenth = [Found(i, f"{i}.jpg", "Tee", 0.9, 10.0, 0.9, 1.0) for i in range(JUDGED)]
    last = Found(99, "99.jpg", "Tee", 0.3, 10.0, 0.9, 1.0)
    assert enough([*tenth, last], LITTLE)


def test_it_is_enough_where_no_index_has_more_to_give():
    assert enough([], LITTLE)
    assert enough(found(0.1, None, share=1.0), LITTLE)


def test_an_index_that_led_to_few_is_told_apart_from_those_that_did_not():
    one = Found(1, "a.jpg", "Tee", 0.9, 0.2, 1.0, 1.0)
    assert short([one], ["Tee", "Dress"]) == set()
    assert short([one._replace(led=["Tee"])], ["Tee", "Dress"]) == {"Dress"}
    assert short([one._replace(led=[])], ["Dress"]) == {"Dress"}
    assert short([], ["Tee"]) == {"Tee"}


def test_where_components_hold_all_a_question_is_asked_once(engine, loader, followed):
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(1520, 6)) @ rng.normal(size=(6, 2048)) + 5
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
        assert matches[-1].similarity < 0.5
        assert FAR in followed
        shared += len(set(matches) & set(true))
    assert shared >= 0.9 * 200  # of groups in which components hardly order


def test_a_label_of_very_many_is_known_by_its_index(engine, shelve, followed, monkeypatch):
    shelve("Tee", 1500, seed=1)
    shelve("Dress", 1200, seed=2)
    build_indexes(engine, threshold=1000)
    monkeypatch.setattr(search, "VAST", 1400)
    query = clustered(60, 9)[3]
    similar(engine, query, labels=["Tee"], n=10)  # how the labels are is known then
    for labels, furthest in ((["Tee"], 1000), (["Dress"], FAR), (["Dress", "Tee"], 1000)):
        followed.clear()
        assert similar(engine, query, labels=labels, n=10)[1] == "hnsw"
        assert list(dict.fromkeys(followed))[:2] == [LITTLE.follow, furthest]


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
