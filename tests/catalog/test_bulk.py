"""The loader of imported embeddings: new rows straight in, what is there left alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import text

from service.catalog import (
    BulkLoader,
    Progress,
    Run,
    asked_garment,
    attach,
    build_indexes,
    garment_by_id,
    get_import,
    is_empty,
    shelves,
)
from service.catalog.loading.batches import require_serving
from service.catalog.similarity.shelves import LOCK
from service.errors import BundleMismatch, LabelUnknown

from .samples import BUNDLE, clustered, embedding, row


def bare(path, seed=0, **changes):
    """A row as an import has it: no photo, the embedding in float16."""
    return row(
        path,
        **{
            "label_source": "given",
            "confidence": None,
            "predicted_label": None,
            "content_sha256": None,
            "embedding": embedding(seed).astype(np.float16),
        }
        | changes,
    )


@pytest.fixture
def bulk(engine, model_id):
    return BulkLoader(engine, model_id)


@pytest.fixture
def progress(engine):
    return Progress(Run.start(engine, source="files", labels="given"), seen=0)


def content(engine):
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT id, image_path, label, updated_at FROM garment ORDER BY id")
        ).all()


def test_new_rows_keep_their_order_and_have_no_photo(engine, bulk, progress):
    rows = [bare(path, seed) for seed, path in enumerate(["c.jpg", "a.jpg", "b.jpg"])]
    assert bulk.write(rows, progress) == (3, 0)
    assert [row.image_path for row in content(engine)] == ["c.jpg", "a.jpg", "b.jpg"]
    garment = garment_by_id(engine, 2)
    assert (garment.confidence, garment.predicted_label) == (None, None)
    assert garment.as_dict()["confidence"] is None
    assert np.array_equal(asked_garment(engine, 2).embedding, rows[1].embedding)


def test_what_is_there_already_is_left_alone(engine, bulk, progress):
    rows = [bare(f"{seed}.jpg", seed) for seed in range(5)]
    bulk.write(rows, progress)
    before = content(engine)
    assert bulk.write(rows, progress) == (0, 0)
    assert content(engine) == before
    rows[3] = bare("3.jpg", 99)
    assert bulk.write([*rows, bare("new.jpg")], progress) == (1, 1)
    assert [row.updated_at for row in content(engine)][:3] == [row.updated_at for row in before[:3]]


def test_another_label_keeps_what_the_same_embedding_vouches_for(engine, loader, bulk, progress):
    loader.write([row("a.jpg", embedding=embedding(1), confidence=0.5)])
    assert bulk.write([bare("a.jpg", 1, label="Dress")], progress) == (0, 1)
    assert loader.known(["a.jpg"])["a.jpg"].content_sha256 == "cd" * 32
    garment = garment_by_id(engine, 1)
    assert (garment.label, garment.label_source) == ("Dress", "given")
    assert (garment.predicted_label, garment.confidence) == ("Tee", None)


def test_another_embedding_is_of_another_photo(engine, loader, bulk, progress):
    loader.write([row("a.jpg", embedding=embedding(1), confidence=0.5)])
    assert bulk.write([bare("a.jpg", 2)], progress) == (0, 1)
    assert loader.known(["a.jpg"])["a.jpg"].content_sha256 is None
    garment = garment_by_id(engine, 1)
    assert (garment.predicted_label, garment.confidence) == (None, None)


def test_an_unknown_label_stops_its_batch(engine, bulk, progress):
    with pytest.raises(LabelUnknown, match="Sari"):
        bulk.write([bare("a.jpg"), bare("b.jpg", label="Sari")], progress)
    assert is_empty(engine)


def test_a_batch_for_a_replaced_model_is_refused(engine, bulk, progress):
    attach(engine, **BUNDLE | {"content_sha256": "00" * 32, "version": "2"})
    with pytest.raises(BundleMismatch, match="Another model"):
        bulk.write([bare("a.jpg")], progress)
    assert is_empty(engine)


def test_a_loader_that_was_quicker_with_a_path_is_no_failure(engine, loader, bulk, progress):
    looked = bulk._stored

    def quicker(rows):
        stored = looked(rows)
        loader.write([row("b.jpg", embedding=embedding(7))])
        return stored

    bulk._stored = quicker
    progress = replace(progress, seen=3)
    assert bulk.write([bare("c.jpg", 1), bare("b.jpg", 2), bare("a.jpg", 3)], progress) == (2, 1)
    assert sorted(row.image_path for row in content(engine)) == ["a.jpg", "b.jpg", "c.jpg"]
    stored = get_import(engine, progress.run.id)
    assert (stored.seen, stored.added, stored.updated) == (3, 2, 1)


def test_a_batch_and_those_of_other_loaders_take_turns(engine, model_id, bulk, progress):
    """In no order of their paths, two batches could wait for each other."""
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            require_serving(connection, model_id)
            waiting = pool.submit(bulk.write, [bare("a.jpg")], progress)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=10) == (1, 0)


@pytest.mark.parametrize(("count", "state"), [(4, "valid"), (60, "none")])
def test_an_index_goes_where_the_import_is_large_for_its_shelf(
    engine, model_id, shelve, progress, count, state
):
    for label in ("Tee", "Dress"):
        shelve(label, 200)
        build_indexes(engine, threshold=100)
    rows = tees(count)
    bulk = BulkLoader(engine, model_id)
    for start in range(0, count, 10):
        bulk.write(rows[start : start + 10], progress)
    assert [shelf.state for shelf in shelves(engine)] == [state, "valid", "none"]
    bulk = BulkLoader(engine, model_id)
    bulk.write(rows, progress)
    assert [shelf.state for shelf in shelves(engine)] == [state, "valid", "none"]


def tees(count):
    vectors = clustered(count, 5).astype(np.float16)
    return [bare(f"{i}.jpg", embedding=vector) for i, vector in enumerate(vectors)]


def test_an_index_that_is_built_amid_a_large_import_goes_again(engine, bulk, shelve, progress):
    """As the worker builds it every ten minutes, as often as it comes."""
    shelve("Tee", 200)
    rows = tees(60)
    bulk.write(rows[:30], progress)
    for start in (30, 45):
        build_indexes(engine, threshold=100)
        assert shelves(engine)[0].state == "valid"
        bulk.write(rows[start : start + 15], progress)
        assert shelves(engine)[0].state == "none"


def test_one_that_is_built_amid_a_small_import_stays(engine, bulk, shelve, progress):
    shelve("Tee", 200)
    bulk.write(tees(4), progress)
    build_indexes(engine, threshold=100)
    bulk.write(tees(8), progress)
    assert shelves(engine)[0].state == "valid"


def test_an_import_that_another_model_overtook_leaves_its_indexes(engine, bulk, shelve, progress):
    shelve("Tee", 200)
    build_indexes(engine, threshold=100)
    with engine.begin() as connection:  # as a swap leaves it
        connection.execute(text("UPDATE model SET serving = false"))
    with pytest.raises(BundleMismatch):
        bulk.write(tees(60), progress)
    assert shelves(engine)[0].state == "valid"


def test_who_waits_for_a_builder_is_told_so_and_can_end_it(engine, model_id, shelve, progress):
    shelve("Tee", 200)
    build_indexes(engine, threshold=100)

    def end(building):
        raise KeyError(building.phase)

    bulk = BulkLoader(engine, model_id, building=end)
    with engine.connect() as builder:
        builder.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        with pytest.raises(KeyError, match="waiting for another builder"):
            bulk.write(tees(60), progress)
        builder.invalidate()
    assert len(content(engine)) == 200
    assert shelves(engine)[0].state == "valid"
