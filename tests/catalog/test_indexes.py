"""Similarity indexes: built when due, beside reads and writes, again after a crash, dropped."""

import threading
import time

import numpy as np
import pytest
from sqlalchemy import make_url, text

from service.catalog import (
    Loader,
    attach,
    build_indexes,
    index_name,
    kept_recall,
    leftovers,
    note_recall,
    open_engine,
    shelves,
    similar,
)
from service.catalog.similarity import effort
from service.catalog.similarity.indexes import drop_index
from service.catalog.similarity.projection import project_catalog

from .samples import BUNDLE, LABELS, clustered, embedding, row
from .waiting import wait_for_the_builders_end

ODD = ("Tee", """O'Neill's "50% off"; \\ :n -- %s""", "Röcke & Blusen", "x" * 500, "X" * 500)


def shelf(engine, label="Tee", threshold=1000):
    return next(s for s in shelves(engine, threshold=threshold) if s.label == label)


def ids(engine, label="Tee", n=100, **how):
    matches, method = similar(engine, how.pop("query", embedding(0)), labels=[label], n=n, **how)
    return [match.id for match in matches], method


def delete(engine, count):
    with engine.begin() as connection:
        connection.execute(
            text(
                "DELETE FROM garment WHERE id IN"
                " (SELECT id FROM garment WHERE label = 'Tee' ORDER BY id LIMIT :count)"
            ),
            {"count": count},
        )


def definition(engine, label):
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT indexdef, quote_literal(:label) FROM pg_indexes WHERE indexname = :name"),
            {"label": label, "name": index_name(label)},
        ).one()


@pytest.fixture
def building(engine):
    """A build that waits for a writer, as a context: on leaving, the writer ends."""

    class Build:
        def __enter__(self):
            project_catalog(engine)  # which would pass over what the writer holds
            self.writer = engine.connect()
            self.writer.execute(text("UPDATE garment SET confidence = 0.4 WHERE id = 1"))
            self.failure = None
            self.thread = threading.Thread(target=self.run)
            self.thread.start()
            deadline = time.monotonic() + 20
            while shelf(engine).state != "building":
                assert time.monotonic() < deadline
                time.sleep(0.02)
            return self

        def run(self):
            try:
                build_indexes(engine, threshold=1000)
            except Exception as error:
                self.failure = error

        def __exit__(self, *_):
            self.writer.commit()
            self.writer.close()
            self.thread.join(60)
            assert not self.thread.is_alive()

    return Build()


def test_a_shelf_above_the_threshold_gets_an_index_and_a_shorter_one_none(engine, shelve):
    shelve("Tee", 1500)
    shelve("Dress", 60)
    assert shelf(engine).due == "build"
    assert ids(engine)[1] == "exact"
    steps = []

    assert build_indexes(engine, threshold=1000, progress=steps.append) == ["Tee"]

    tee, dress, blazer = shelves(engine, threshold=1000)
    assert (tee.rows, tee.method, tee.state, tee.due) == (1500, "hnsw", "valid", None)
    assert 1500 * 400 < tee.bytes < 1500 * 800
    assert (dress.rows, dress.method, dress.state, dress.bytes) == (60, "exact", "none", 0)
    assert (blazer.rows, blazer.due) == (0, None)
    components = [step for step in steps if not step.label]
    assert {(step.phase, step.total) for step in components} == {("computing components", 1560)}
    assert components[-1].done == 1560
    others = steps[len(components) :]
    assert [(step.label, step.total) for step in others] == [("Tee", 1500)] * len(others)
    assert (others[0].done, others[-1].done) == (0, 1500)
    index, label = definition(engine, "Tee")
    assert "hnsw (components halfvec_l2_ops)" in index
    assert "m='16', ef_construction='320'" in index
    assert f"WHERE (label = {label}::text)" in index
    assert build_indexes(engine, threshold=1000) == []


def test_labels_are_names_and_values_whatever_they_are(engine, monkeypatch):
    monkeypatch.setattr(effort, "ASTRAY", 2)  # garments by chance are all far
    model_id = attach(engine, **BUNDLE | {"labels": ODD})
    Loader(engine, model_id).write(
        [
            row(f"{i}.jpg", label=label, embedding=embedding(i))
            for i, label in enumerate(ODD[i % len(ODD)] for i in range(30 * len(ODD)))
        ]
    )
    assert build_indexes(engine, threshold=20) == list(ODD)
    assert leftovers(engine) == []
    assert len({index_name(label) for label in ODD}) == len(ODD)
    for label in ODD:
        assert len(index_name(label) + "_ccnew1") <= 63
        found, method = ids(engine, label)
        assert (len(found), method) == (30, "exact")  # fewer than n: made sure of
        found, method = ids(engine, label, n=10)
        assert method == "hnsw"
        assert found == ids(engine, label, n=10, exact=True)[0]


def test_reads_and_writes_go_on_during_a_build(engine, loader, shelve, building):
    shelve("Tee", 1100)
    new = embedding(77)
    with building:
        began = time.monotonic()
        assert ids(engine)[1] == "exact"
        assert loader.write([row("new.jpg", embedding=new)]) == (1, 0)
        assert loader.write([row("new.jpg", embedding=new)]) == (0, 1)
        assert ids(engine, query=new, n=1)[0] == ids(engine, query=new, n=1, exact=True)[0]
        assert time.monotonic() - began < 5
        assert shelf(engine).state == "building"
    assert building.failure is None
    assert shelf(engine).state == "valid"
    found, method = ids(engine, query=new, n=1)
    assert method == "hnsw"
    assert found == ids(engine, query=new, n=1, exact=True)[0]


def test_who_may_only_read_sees_that_an_index_is_being_built(
    database_url, engine, shelve, building
):
    shelve("Tee", 1100)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS reader"))
        connection.execute(text("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data"))
    other = open_engine(make_url(database_url).set(username="reader").render_as_string())
    with building:
        assert (shelf(other).state, shelf(other).due) == ("building", None)
    assert shelf(other).state == "valid"
    other.dispose()


def test_what_a_killed_build_left_is_dropped_and_built_again(engine, shelve, building):
    shelve("Tee", 1100)
    with building:
        with engine.begin() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index")
            )
        building.thread.join(20)
        assert building.failure is not None
    wait_for_the_builders_end(engine)
    left = shelf(engine)
    assert (left.state, left.method, left.due) == ("invalid", "exact", "build")
    assert ids(engine)[1] == "exact"

    assert build_indexes(engine, threshold=1000) == ["Tee"]
    assert shelf(engine).state == "valid"
    assert ids(engine)[1] == "hnsw"


def test_an_invalid_index_of_a_short_shelf_is_only_dropped(engine, shelve, building):
    shelve("Tee", 1100)
    with building, engine.begin() as connection:
        connection.execute(text("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index"))
    delete(engine, 200)
    wait_for_the_builders_end(engine)
    assert (shelf(engine).state, shelf(engine).due) == ("invalid", "drop")
    assert build_indexes(engine, threshold=1000) == []
    assert shelf(engine).state == "none"


def test_a_shelf_that_shrinks_keeps_its_index_for_a_while(engine, shelve):
    shelve("Tee", 1500)
    build_indexes(engine, threshold=1000)
    delete(engine, 1000)
    assert shelf(engine).due is None
    assert build_indexes(engine, threshold=1000) == []
    assert shelf(engine).state == "valid"
    delete(engine, 1)
    assert shelf(engine).due == "drop"
    assert build_indexes(engine, threshold=1000) == []
    assert shelf(engine).state == "none"


def test_the_recall_of_an_index_that_is_gone_or_built_anew_is_forgotten(engine, shelve):
    def kept():
        return [recall.label for recall in kept_recall(engine)]

    shelve("Tee", 60)
    shelve("Dress", 60)
    for label in ("Tee", "Dress"):
        note_recall(engine, label, 0.5)
    build_indexes(engine, threshold=20)
    assert kept() == []
    for label in ("Tee", "Dress"):
        note_recall(engine, label, 0.5)
    build_indexes(engine, threshold=20)
    assert kept() == ["Dress", "Tee"]
    delete(engine, 55)
    build_indexes(engine, threshold=20)
    assert kept() == ["Dress"]
    note_recall(engine, "Blazer", 1)
    build_indexes(engine, threshold=20, rebuild=True)
    assert kept() == ["Blazer"]
    note_recall(engine, "Dress", 0.5)
    drop_index(engine, "Dress")
    assert kept() == ["Blazer"]


def test_an_index_that_leads_mostly_to_deleted_garments_is_built_anew(engine, shelve):
    shelve("Tee", 2500)
    build_indexes(engine, threshold=1000)
    delete(engine, 1900)
    before = shelf(engine)
    assert (before.rows, before.state, before.due) == (600, "valid", "rebuild")
    assert len(ids(engine)[0]) == 100
    assert build_indexes(engine, threshold=1000) == ["Tee"]
    after = shelf(engine)
    assert (after.state, after.due) == ("valid", None)
    assert after.bytes < before.bytes / 3
    assert ids(engine)[1] == "hnsw"
    assert build_indexes(engine, threshold=1000) == []


def test_indexes_of_no_label_are_dropped(engine, shelve):
    shelve("Tee", 30)
    build_indexes(engine, threshold=20)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE INDEX {index_name('Tee')}_ccnew ON garment (id)"))
    assert leftovers(engine) == [f"{index_name('Tee')}_ccnew"]
    build_indexes(engine, threshold=20)
    assert leftovers(engine) == []
    assert shelf(engine).state == "valid"

    delete(engine, 30)
    attach(engine, **BUNDLE | {"labels": ("Sari",), "content_sha256": "ef" * 32})
    assert leftovers(engine) == [index_name("Tee")]
    build_indexes(engine, threshold=20)
    assert leftovers(engine) == []


def test_a_new_category_works_at_once(engine, shelve):
    shelve("Tee", 30)
    build_indexes(engine, threshold=20)
    attach_query = clustered(5, 9)
    shelve("Blazer", 5, seed=9)
    found, method = ids(engine, "Blazer", query=attach_query[3], n=5)
    assert (len(found), method) == (5, "exact")
    assert np.isclose(similar(engine, attach_query[3], labels=LABELS, n=1)[0][0].similarity, 1)
