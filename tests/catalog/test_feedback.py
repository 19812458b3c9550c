"""Verdicts in the database: what is kept, and what outlives the garments."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.catalog import (
    analyse,
    delete_feedback,
    delete_garment,
    list_feedback,
    store_feedback,
)
from service.catalog.feedback import judged_pairs
from service.errors import FeedbackNotFound, FeedbackOfItself, GarmentNotFound

from .samples import embedding, row
from .waiting import wait_for_a_waiter


@pytest.fixture
def stock(loader):
    """Garments 1 to 5 of their own bytes, and 6 without a photo."""
    loader.write(
        [row(f"{i}.jpg", content_sha256=f"{i:064x}", embedding=embedding(i)) for i in range(1, 6)]
        + [row("6.jpg", content_sha256=None, confidence=None, embedding=embedding(6))]
    )


def names(pairs):
    """The first garment of each side, and the votes."""
    return [
        (*(next(iter(side.image_paths), None) for side in (p.one, p.other)), p.good, p.bad)
        for p in pairs
    ]


def test_a_verdict_is_kept_listed_and_taken_back(engine, stock):
    first = store_feedback(engine, 2, "good", query_id=1)
    assert (first.query_id, first.query_sha256, first.match_id) == (1, f"{1:064x}", 2)
    second = store_feedback(engine, 2, "bad", query_sha256="ab" * 32)
    assert (second.query_id, second.query_sha256) == (None, "ab" * 32)
    assert list_feedback(engine, limit=10) == [second, first]
    assert list_feedback(engine, limit=10, before=second.id) == [first]
    assert list_feedback(engine, limit=1) == [second]
    delete_feedback(engine, first.id)
    assert list_feedback(engine, limit=10) == [second]
    with pytest.raises(FeedbackNotFound):
        delete_feedback(engine, first.id)


def test_garments_that_are_not_there_and_the_same_picture_are_refused(engine, stock):
    with pytest.raises(GarmentNotFound, match="no garment 99"):
        store_feedback(engine, 99, "good", query_id=1)
    with pytest.raises(GarmentNotFound, match="no garment 98"):
        store_feedback(engine, 1, "good", query_id=98)
    with pytest.raises(FeedbackOfItself):
        store_feedback(engine, 1, "good", query_id=1)
    with pytest.raises(FeedbackOfItself):
        store_feedback(engine, 1, "good", query_sha256=f"{1:064x}")
    assert list_feedback(engine, limit=10) == []


@pytest.mark.parametrize("gone", [1, 2])
def test_a_garment_that_is_being_removed_is_not_there(engine, stock, gone):
    with ThreadPoolExecutor(1) as pool, engine.connect() as remover:
        remover.execute(text("DELETE FROM garment WHERE id = :id"), {"id": gone})
        stored = pool.submit(store_feedback, engine, 2, "good", query_id=1)
        wait_for_a_waiter(engine)
        remover.commit()
        with pytest.raises(GarmentNotFound, match=f"no garment {gone}"):
            stored.result(30)
    assert list_feedback(engine, limit=10) == []


def test_verdicts_on_a_pair_are_counted_whichever_was_asked_about(engine, stock):
    store_feedback(engine, 2, "good", query_id=1)
    store_feedback(engine, 1, "good", query_id=2)
    store_feedback(engine, 2, "bad", query_sha256=f"{1:064x}")
    store_feedback(engine, 6, "bad", query_id=1)
    assert sorted(names(judged_pairs(engine))) == [
        ("1.jpg", "2.jpg", 2, 1),
        ("1.jpg", "6.jpg", 0, 1),
    ]


def test_a_verdict_outlives_its_garments_and_meets_the_picture_again(engine, stock, loader):
    store_feedback(engine, 2, "good", query_id=1)
    store_feedback(engine, 6, "good", query_id=1)
    delete_garment(engine, 2)
    delete_garment(engine, 6)
    kept = list_feedback(engine, limit=10)
    assert [(one.query_id, one.match_id) for one in kept] == [(1, None), (1, None)]
    # 6 had no photo that could be known again
    assert names(judged_pairs(engine)) == [("1.jpg", None, 1, 0)]
    loader.write([row("moved/2.jpg", content_sha256=f"{2:064x}")])
    assert names(judged_pairs(engine)) == [("1.jpg", "moved/2.jpg", 1, 0)]


def test_a_verdict_is_about_the_picture_that_was_seen(engine, stock, loader):
    store_feedback(engine, 2, "good", query_id=1)
    loader.write([row("2.jpg", content_sha256="ef" * 32)])  # another photo at that path
    assert names(judged_pairs(engine)) == [("1.jpg", None, 1, 0)]


def test_verdicts_on_a_picture_whose_bytes_became_known_are_about_one_pair(engine, stock, loader):
    """As of one that was imported without its photo and is taken in since."""
    store_feedback(engine, 6, "good", query_id=1)
    store_feedback(engine, 2, "bad", query_id=6)
    loader.write([row("6.jpg", content_sha256=f"{6:064x}")])
    store_feedback(engine, 1, "good", query_id=6)
    store_feedback(engine, 6, "bad", query_sha256=f"{1:064x}")
    pairs = judged_pairs(engine)
    assert names(pairs) == [("1.jpg", "6.jpg", 2, 1), ("2.jpg", "6.jpg", 0, 1)]
    assert {pair.other.key for pair in pairs} == {f"{6:064x}"}


def test_a_pair_that_turned_out_to_be_one_picture_is_none(engine, stock, loader):
    store_feedback(engine, 6, "good", query_id=1)
    loader.write([row("6.jpg", content_sha256=f"{1:064x}")])
    assert judged_pairs(engine) == []


def test_of_a_picture_that_is_there_twice_the_given_label_counts(engine, stock, loader):
    again = {"label": "Dress", "label_source": "given", "content_sha256": f"{1:064x}"}
    loader.write([row("again/1.jpg", **again)])
    store_feedback(engine, 2, "good", query_id=1)
    (pair,) = judged_pairs(engine)
    assert (pair.one.image_paths, pair.one.label) == (("again/1.jpg", "1.jpg"), "Dress")
    assert (pair.other.image_paths, pair.other.label) == (("2.jpg",), None)


def test_pairs_know_the_near_duplicates_of_their_pictures(engine, stock, loader, tmp_path):
    loader.write([row("copy.jpg", content_sha256="99" * 32, embedding=embedding(1))])
    analyse(engine, duplicate_similarity=0.99, folder=tmp_path)
    store_feedback(engine, 2, "good", query_id=1)
    (pair,) = judged_pairs(engine)
    assert (pair.one.duplicates, pair.other.duplicates) == (1, None)
