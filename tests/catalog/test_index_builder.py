"""The builder of indexes: one at a time, patient, and what it makes anew."""

import re
import threading

import numpy as np
import pytest
from sqlalchemy import make_url, text

from service.catalog import (
    build_indexes,
    index_name,
    leftovers,
    open_engine,
    shelves,
    similar,
)
from service.catalog.schema.tables import HNSW_NAMES
from service.catalog.similarity import shelves as shelf_module
from service.catalog.similarity.indexes import MEMORY
from service.catalog.similarity.projection import project_catalog
from service.catalog.similarity.shelves import LOCK
from service.errors import DatabaseUnfit

from .test_indexes import shelf
from .waiting import wait_for_a_waiter, wait_for_the_builders_end


def test_one_builder_at_a_time(engine, shelve):
    shelve("Tee", 30)
    waiting, built = threading.Event(), []
    builder = threading.Thread(
        target=lambda: built.extend(
            build_indexes(engine, threshold=20, progress=lambda _: waiting.set())
        )
    )
    with engine.connect() as first:
        first.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        builder.start()
        assert waiting.wait(10)
        assert shelf(engine).state == "none"
        assert built == []
        first.invalidate()
    builder.join(20)
    assert built == ["Tee"]


def test_an_index_of_the_shops_own_is_left_alone_whatever_it_is_called(engine, shelve):
    shelve("Tee", 30)
    with engine.begin() as connection:
        for own in ("hnsw_embedding", "hnsw_garment_embedding", "hnsw_components_all"):
            connection.execute(text(f"CREATE INDEX {own} ON garment (id)"))
    assert leftovers(engine) == []
    assert build_indexes(engine, threshold=20, rebuild=True) == ["Tee"]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('hnsw_embedding')")) is not None


@pytest.mark.parametrize("label", ["Tee", "", "Blouse & Top" * 9, "Rücken"])
def test_names_of_indexes_are_known_as_such_and_so_is_what_a_rebuild_leaves(label):
    for left in ("", "_new", "_old", "_ccnew", "_ccold1", "_new_ccnew"):
        assert re.match(HNSW_NAMES, index_name(label) + left)


def test_rebuild_makes_the_index_anew_under_its_name(engine, shelve):
    shelve("Tee", 30)
    build_indexes(engine, threshold=20)
    number = text(f"SELECT '{index_name('Tee')}'::regclass::oid")
    with engine.connect() as connection:
        before = connection.scalar(number)
    assert build_indexes(engine, threshold=20, rebuild=True) == ["Tee"]
    with engine.connect() as connection:
        assert connection.scalar(number) != before
    assert leftovers(engine) == []
    assert shelf(engine, threshold=20).state == "valid"


def test_a_rebuild_makes_the_graph_that_a_build_would_also_beside_a_reader(engine, shelve):
    shelve("Tee", 30)
    build_indexes(engine, threshold=20)
    options = text(f"SELECT reloptions FROM pg_class WHERE relname = '{index_name('Tee')}'")
    with engine.begin() as connection:
        today = connection.scalar(options)
        connection.execute(text(f"ALTER INDEX {index_name('Tee')} SET (ef_construction = 64)"))
    reading = engine.connect()
    reading.execute(text("SELECT count(*) FROM garment"))  # holds the index until it ends
    end = threading.Timer(1, reading.close)
    end.start()
    assert build_indexes(engine, threshold=20, rebuild=True) == ["Tee"]
    end.join()
    with engine.connect() as connection:
        assert connection.scalar(options) == today


def test_what_a_rebuild_is_about_to_drop_is_no_leftover(engine, shelve):
    shelve("Tee", 30)
    build_indexes(engine, threshold=20)
    reading = engine.connect()
    reading.execute(text("SELECT count(*) FROM garment"))  # holds the index until it ends
    builder = threading.Thread(
        target=build_indexes, args=(engine,), kwargs={"threshold": 20, "rebuild": True}
    )
    builder.start()
    wait_for_a_waiter(engine)
    there = text(f"SELECT to_regclass('{index_name('Tee')}_old') IS NOT NULL")
    with engine.connect() as connection:
        assert connection.scalar(there)
    assert leftovers(engine) == []
    reading.close()
    builder.join(20)
    with engine.connect() as connection:
        assert not connection.scalar(there)


def test_a_long_label_gets_its_graph_with_more_effort_and_anew_once_it_is_long(
    engine, shelve, monkeypatch
):
    options = text(
        "SELECT relname, array_to_string(reloptions, ' ') FROM pg_class WHERE relname LIKE 'hnsw_%'"
    )
    shelve("Tee", 60)
    shelve("Dress", 30)
    monkeypatch.setattr(shelf_module, "LARGE", 50)
    assert build_indexes(engine, threshold=20) == ["Tee", "Dress"]
    with engine.connect() as connection:
        built = dict(connection.execute(options).all())
    assert built[index_name("Tee")] == "m=16 ef_construction=1000"
    assert built[index_name("Dress")] == "m=16 ef_construction=320"
    assert shelf(engine, threshold=20).due is None
    monkeypatch.setattr(shelf_module, "LARGE", 25)  # as if Dress had grown
    assert [one.due for one in shelves(engine, threshold=20)][:2] == [None, "rebuild"]
    assert build_indexes(engine, threshold=20) == ["Dress"]
    with engine.connect() as connection:
        built = dict(connection.execute(options).all())
    assert set(built.values()) == {"m=16 ef_construction=1000"}
    monkeypatch.undo()  # one that shrinks keeps what it has
    assert build_indexes(engine, threshold=20) == []


def test_a_rebuild_with_more_effort_that_was_ended_is_due_again(engine, shelve, monkeypatch):
    shelve("Tee", 60)
    assert build_indexes(engine, threshold=20) == ["Tee"]
    monkeypatch.setattr(shelf_module, "LARGE", 50)

    def end(building):
        if building.label:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_indexes(engine, threshold=20, progress=end)
    assert shelf(engine, threshold=20).due == "rebuild"
    name = index_name("Tee")
    for half_made in ("new", "old"):  # as a kill leaves them, before the exchange and after it
        with engine.begin() as connection:
            connection.execute(text(f"CREATE INDEX {name}_{half_made} ON garment (id)"))
    assert leftovers(engine) == [f"{name}_new", f"{name}_old"]
    assert build_indexes(engine, threshold=20) == ["Tee"]
    assert shelf(engine, threshold=20).due is None
    assert leftovers(engine) == []


def test_an_index_answers_every_search_while_another_takes_its_place(engine, shelve):
    vectors = shelve("Tee", 1500)
    build_indexes(engine)
    wanted = similar(engine, vectors[7], labels=["Tee"], n=10)
    assert wanted[1] == "hnsw"
    answers, done = [], threading.Event()

    def search():
        while not done.is_set():
            answers.append(similar(engine, vectors[7], labels=["Tee"], n=10))

    searching = [threading.Thread(target=search) for _ in range(3)]
    for thread in searching:
        thread.start()
    for _ in range(3):
        assert build_indexes(engine, rebuild=True) == ["Tee"]
    done.set()
    for thread in searching:
        thread.join()
    assert len(answers) > 30
    assert all(answer == wanted for answer in answers)


def test_a_build_outlasts_the_servers_timeouts(database_url, engine, shelve):
    shelve("Tee", 1500)
    hasty = {"options": "-c statement_timeout=300ms -c lock_timeout=1ms"}
    url = make_url(database_url).update_query_dict(hasty)
    other = open_engine(url.render_as_string(hide_password=False))
    assert build_indexes(other, threshold=1000) == ["Tee"]
    assert build_indexes(other, threshold=1000, rebuild=True) == ["Tee"]
    other.dispose()


def test_a_build_has_the_workers_that_the_server_gives_it_and_two_at_least(database_url):
    for given, wanted in (("0", "2"), ("5", "5")):
        more = {"options": f"-c max_parallel_maintenance_workers={given}"}
        url = make_url(database_url).update_query_dict(more)
        other = open_engine(url.render_as_string(hide_password=False))
        with other.connect() as connection:
            assert connection.execute(MEMORY, {"bytes": 1}).one()[1] == wanted
        other.dispose()


def test_who_does_not_own_the_table_is_told_so(database_url, engine, shelve):
    shelve("Tee", 30)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS reader"))
        connection.execute(text("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data"))
    other = open_engine(make_url(database_url).set(username="reader").render_as_string())
    with pytest.raises(DatabaseUnfit, match=r"permission denied.*Let the table's owner run"):
        build_indexes(other, threshold=20)
    other.dispose()


def test_the_builders_settings_end_with_it(engine, shelve):
    show = text("SELECT current_setting('maintenance_work_mem'), current_setting('lock_timeout')")
    shelve("Tee", 30)
    with engine.connect() as connection:
        before = connection.execute(show).one()
    build_indexes(engine, threshold=20)
    for _ in range(3):
        with engine.connect() as connection:
            assert connection.execute(show).one() == before


def test_whoever_watches_can_end_a_build(engine, shelve):
    shelve("Tee", 1500)
    with engine.begin() as connection:  # until then the build waits
        connection.execute(text("LOCK TABLE garment IN ROW EXCLUSIVE MODE"))

        def stop(building):
            if building.label and building.phase not in ("starting", "done"):
                raise KeyError(building.phase)

        with pytest.raises(KeyError, match="waiting for writers"):
            build_indexes(engine, threshold=1000, progress=stop)
    wait_for_the_builders_end(engine)
    assert shelf(engine).state == "invalid"
    assert build_indexes(engine, threshold=1000) == ["Tee"]
    assert leftovers(engine) == []


def test_a_garment_without_direction_is_no_obstacle(engine, shelve):
    shelve("Tee", 30)
    with engine.begin() as connection:
        connection.execute(text("UPDATE garment SET components = NULL"))
        connection.execute(text("DELETE FROM projection"))
        connection.execute(
            text("UPDATE garment SET embedding = array_fill(0, ARRAY[2048])::halfvec WHERE id = 3")
        )
    for exact in (True, False):
        matches, _ = similar(engine, 1, labels=["Tee"], n=29, exact=exact)
        assert len(matches) == 28
        assert 3 not in {match.id for match in matches}
        assert build_indexes(engine, threshold=20) == (["Tee"] if exact else [])


def test_garments_without_direction_hide_no_others(engine, shelve):
    vectors = shelve("Tee", 60)
    build_indexes(engine, threshold=20)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE garment SET embedding = array_fill(0, ARRAY[2048])::halfvec WHERE id <= 40"
            )
        )
    project_catalog(engine)
    query = vectors.mean(axis=0)  # in the middle, where those without direction are by components
    cosines = vectors[40:] @ query / np.linalg.norm(vectors[40:], axis=1)
    nearest = (41 + np.argsort(-cosines)[:10]).tolist()
    for exact in (True, False):
        matches, _ = similar(engine, query, labels=["Tee"], n=10, exact=exact)
        assert [match.id for match in matches] == nearest
