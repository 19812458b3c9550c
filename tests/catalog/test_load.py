"""The bulk writer: upsert by path, whole batches, and the ledger."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import event, text

from service.catalog import (
    GarmentChanged,
    Known,
    Loader,
    Move,
    Progress,
    Run,
    asked_garment,
    attach,
    count_by_label,
    filed_garments,
    garment_by_id,
    get_import,
    is_empty,
)
from service.catalog.garments.embeddings import to_halfvec
from service.catalog.loading.files import move_garments
from service.domain import LabelCount
from service.errors import BundleMismatch, DatabaseUnavailable, ImportNotFound, LabelUnknown

from .samples import BUNDLE, embedding, row
from .waiting import wait_for_a_waiter

END_SESSIONS = text("""
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :database
""")


def test_new_paths_are_added_and_known_ones_updated(engine, loader):
    assert loader.write([row("a.jpg"), row("b.jpg")]) == (2, 0)
    before = garment_by_id(engine, 1)
    changed = row("a.jpg", label="Dress", label_source="given", embedding=embedding(9))
    assert loader.write([changed, row("c.jpg")]) == (1, 1)

    after = garment_by_id(engine, 1)
    assert (after.label, after.label_source, after.model) == ("Dress", "given", "tiny@1")
    assert after.predicted_label == "Tee"
    assert after.created_at == before.created_at
    assert np.array_equal(asked_garment(engine, 1).embedding, embedding(9).astype(np.float16))
    with engine.connect() as connection:
        updated = "SELECT image_path FROM garment WHERE updated_at > created_at"
        assert list(connection.scalars(text(updated))) == ["a.jpg"]


def test_the_last_of_two_rows_with_one_path_counts(engine, loader):
    assert loader.write([row("a.jpg"), row("a.jpg", label="Blazer")]) == (1, 0)
    assert garment_by_id(engine, 1).label == "Blazer"


def test_an_empty_batch_writes_nothing(loader, engine):
    assert loader.write([]) == (0, 0)
    assert is_empty(engine)


def test_the_ledger_knows_what_is_stored(loader):
    loader.write([row("a.jpg", label="Dress", label_source="given", content_sha256="01" * 32)])
    assert loader.known(["a.jpg", "b.jpg"]) == {"a.jpg": Known("01" * 32, "Dress", "given")}


def test_the_ledger_does_not_know_what_another_model_embedded(engine, loader, model_id):
    loader.write([row("a.jpg")])
    assert Loader(engine, model_id + 1).known(["a.jpg"]) == {}


@pytest.mark.parametrize(
    "unfit",
    [np.zeros(2048), np.full(2048, np.inf), np.full(2048, 1e5), np.full(2048, 1e-9), np.ones(3)],
    ids=["zero", "infinite", "too large for float16", "zero in float16", "wrong size"],
)
def test_an_embedding_that_cannot_be_compared_stops_its_batch(engine, loader, unfit):
    with pytest.raises(ValueError, match="embedding"):
        loader.write([row("a.jpg"), row("b.jpg", embedding=unfit)])
    assert is_empty(engine)


@pytest.mark.parametrize("column", ["label", "predicted_label"])
def test_an_unknown_label_stops_its_batch(engine, loader, column):
    with pytest.raises(LabelUnknown, match="Sari"):
        loader.write([row("a.jpg"), row("b.jpg", **{column: "Sari"})])
    assert is_empty(engine)


def test_a_batch_for_a_replaced_model_is_refused(engine, loader):
    attach(engine, **BUNDLE | {"content_sha256": "00" * 32, "version": "2"})
    with pytest.raises(BundleMismatch, match="Another model"):
        loader.write([row("a.jpg")])
    assert is_empty(engine)


def test_a_session_that_ends_in_mid_copy_leaves_nothing_of_its_batch(engine, loader, administrator):
    """As when the server is stopped or killed; the next batch finds a new connection."""

    class Fatal(SimpleNamespace):
        @property
        def content_sha256(self) -> str:
            with administrator.connect() as connection:
                connection.execute(END_SESSIONS, {"database": engine.url.database})
            return "cd" * 32

    loader.write([row("old.jpg")])
    before, after = ([row(f"{i}.jpg") for i in range(k, k + 500)] for k in (0, 500))
    fatal = asdict(row("fatal.jpg"))
    del fatal["content_sha256"]
    with pytest.raises(DatabaseUnavailable) as refusal:
        loader.write([*before, Fatal(**fatal), *after])
    assert "\n" not in str(refusal.value)
    assert count_by_label(engine)[0] == LabelCount("Tee", 1, 1.0)
    assert loader.write([row("new.jpg")]) == (1, 0)


def test_a_batch_and_its_import_are_committed_together(engine, loader):
    run = Run.start(engine, source="photos", labels="given")
    run.beat(total=9)
    rejects = [{"image_path": "bad\udcff\0.jpg", "reason": "No image."}]
    loader.write([row("a.jpg"), row("b.jpg")], Progress(run, seen=4, rejects=rejects))
    loader.write([row("b.jpg")], Progress(run, seen=1))
    with pytest.raises(LabelUnknown):
        loader.write([row("c.jpg", label="Sari")], Progress(run, seen=1))

    stored = get_import(engine, run.id)
    counts = (stored.seen, stored.added, stored.updated, stored.unchanged, stored.rejected)
    assert counts == (5, 2, 1, 1, 1)
    assert (stored.source, stored.labels, stored.total) == ("photos", "given", 9)
    assert stored.rejects == ({"image_path": "bad\\udcff\\0.jpg", "reason": "No image."},)
    assert (stored.state, stored.finished_at) == ("running", None)

    run.finish("done")
    finished = get_import(engine, run.id)
    assert finished.state == "done"
    assert finished.finished_at is not None


def test_an_unknown_import_is_refused(engine):
    with pytest.raises(ImportNotFound, match="7"):
        get_import(engine, 7)


def test_loaders_that_write_the_same_paths_at_once_do_not_deadlock(engine, loader):
    rows = [row(f"{i}.jpg") for i in range(100)]
    failures = []

    def write(batch):
        try:
            loader.write(batch)
        except Exception as error:  # whatever it is fails the test
            failures.append(error)

    threads = [threading.Thread(target=write, args=(rows[:: (-1) ** i],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert count_by_label(engine)[0].count == 100


def test_a_move_to_a_path_that_is_being_taken_is_told(engine, loader):
    """By an import that is not committed yet: what it stores is not to be seen, and stands in the way."""
    loader.write([row("old.jpg")])
    (garment,) = filed_garments(engine)
    with ThreadPoolExecutor(1) as pool, engine.connect() as other:
        transaction = other.begin()
        Loader(SimpleNamespace(begin=lambda: nullcontext(other)), 1).write([row("new.jpg")])
        moving = pool.submit(loader.write, [], moves=[Move(garment, "new.jpg")])
        wait_for_a_waiter(engine)
        transaction.commit()
        with pytest.raises(GarmentChanged):
            moving.result(20)
    assert garment_by_id(engine, 1).image_path == "old.jpg"


def test_loaders_that_move_the_same_garments_at_once_do_not_deadlock(engine, loader):
    loader.write([row("a.jpg"), row("b.jpg")])
    one, two = (Move(garment, f"to/{garment.image_path}") for garment in filed_garments(engine))
    with ThreadPoolExecutor(1) as pool, engine.connect() as other:
        transaction = other.begin()
        assert move_garments(other, [one]) == 1
        moving = pool.submit(loader.write, [], moves=[two, one])
        wait_for_a_waiter(engine)
        assert move_garments(other, [two]) == 1
        transaction.commit()
        with pytest.raises(GarmentChanged):
            moving.result(20)


def test_embeddings_travel_in_binary(engine, loader):
    """A text halfvec is five times as long; the adapters send it in binary where they are known."""
    sent = []

    @event.listens_for(engine, "before_cursor_execute")
    def remember(_connection, cursor, *_):
        sent.append(cursor.connection.adapters.types.get("halfvec"))

    loader.write([row("a.jpg")])
    assert all(sent)
    assert len(to_halfvec(embedding(0)).to_binary()) == 4_100
