"""How many of the nearest an index finds, measured against exact search."""

from service.catalog import (
    build_indexes,
    measure_recall,
    similar,
)

from .samples import embedding, row


def test_recall_on_garments_that_resemble_others(engine, shelve):
    shelve("Tee", 1500)
    build_indexes(engine, threshold=1000)
    assert 0.99 <= measure_recall(engine, "Tee") <= 1


def test_recall_of_exact_search_is_1(engine, shelve):
    vectors = shelve("Tee", 40)
    assert measure_recall(engine, "Dress") == 1
    assert measure_recall(engine, "Tee") == 1
    assert measure_recall(engine, "Tee", k=100) == 1
    assert len(vectors) == 40


def test_recall_sees_an_index_that_misses_garments(engine, shelve, monkeypatch):
    shelve("Tee", 300)
    monkeypatch.setattr(
        "service.catalog.similarity.recall.similar",
        lambda *args, **how: (similar(*args, **how)[0][5:], "hnsw"),
    )
    assert measure_recall(engine, "Tee") == 0.5


def test_twins_count_as_found_whichever_they_are(engine, loader):
    same = embedding(0)
    loader.write([row(f"{i}.jpg", embedding=same) for i in range(60)])
    build_indexes(engine, threshold=50)
    assert measure_recall(engine, "Tee") == 1
