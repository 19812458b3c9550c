"""The similarity query uses the index it should, whatever the planner believes."""

import re
from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy import make_url, text

from service.catalog import Loader, attach, build_indexes, index_name, open_engine, similar

from ..conftest import _database
from .samples import BUNDLE, LABELS, clustered, row, shelved

TEE = f"Index Scan using {index_name('Tee')}"
PREPARED = """
    SELECT name, generic_plans, custom_plans FROM pg_prepared_statements
    WHERE statement LIKE '%%<=>%%' AND statement LIKE %s
"""


class Plans(Sequence):
    """The plans of the similarity queries, read once their pipelines are through."""

    def __init__(self):
        self.explained = []
        self.read = []

    def __len__(self):
        return len(self.explained)

    def __getitem__(self, place):
        while len(self.read) < len(self.explained):
            cursor = self.explained[len(self.read)]
            self.read.append("\n".join(line for (line,) in cursor.fetchall()))
        return self.read[place]


@pytest.fixture
def plans(monkeypatch):
    """The plan of every similarity query, explained in its transaction as psycopg sends it."""
    seen, execute = Plans(), psycopg.Connection.execute

    def explain(connection, statement, parameters=None, **how):
        if "<=>" in statement:
            seen.explained.append(
                execute(connection, "EXPLAIN " + statement, parameters, prepare=False)
            )
        return execute(connection, statement, parameters, **how)

    monkeypatch.setattr(psycopg.Connection, "execute", explain)
    return seen


@pytest.fixture(scope="module")
def filled(administrator, template):
    """A database's name. Tee has 1,500 garments and an index, Dress 60 and none. Never analyzed."""
    for url in _database(administrator, template):
        engine = open_engine(url)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE garment SET (autovacuum_enabled = off)"))
        loader = Loader(engine, attach(engine, **BUNDLE))
        shelved(loader, "Dress", 60, seed=2)
        shelved(loader, "Tee", 1500, seed=1)
        build_indexes(engine, threshold=1000)
        engine.dispose()
        yield make_url(url).database


@pytest.fixture
def database_url(administrator, filled):
    """A copy of it."""
    yield from _database(administrator, filled)


def analyze(engine):
    with engine.begin() as connection:
        connection.execute(text("ANALYZE garment"))


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("near", [1, 2], ids=["own", "far"])
@pytest.mark.parametrize("n", [1, 10, 100])
def test_a_common_label_is_answered_by_its_index(engine, plans, analyzed, near, n):
    if analyzed:
        analyze(engine)
    matches, method = similar(engine, clustered(60, near)[5], labels=["Tee"], n=n)
    assert (len(matches), method) == (n, "hnsw")
    assert all(TEE in plan for plan in plans)


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_rare_label_is_answered_exactly(engine, plans, analyzed):
    if analyzed:
        analyze(engine)
    for labels in (["Dress"], ["Blazer"], ["Dress", "Blazer"]):
        assert similar(engine, clustered(60, 1)[5], labels=labels, n=9)[1] == "exact"
    assert not any("hnsw" in plan for plan in plans)


@pytest.mark.parametrize("analyzed", [False, True])
def test_several_labels_use_the_indexes_that_there_are(engine, plans, analyzed):
    if analyzed:
        analyze(engine)
    matches, method = similar(engine, clustered(60, 2)[5], labels=LABELS, n=100)
    assert (len(matches), method) == (100, "hnsw")
    assert [plan.count("hnsw") for plan in plans] == [1] * len(plans)
    assert {match.label for match in matches} == {"Tee", "Dress"}
    true = similar(engine, clustered(60, 2)[5], labels=LABELS, n=100, exact=True)[0]
    assert len(set(matches) & set(true)) >= 98


def test_exact_uses_no_index_at_any_size(engine, plans):
    assert similar(engine, clustered(60, 1)[5], labels=LABELS, n=9, exact=True)[1] == "exact"
    assert "hnsw" not in plans[0]


def test_the_index_still_answers_after_a_bulk_load(engine, shelve, plans):
    analyze(engine)
    shelve("Tee", 600, seed=3)
    shelve("Dress", 900, seed=4)
    assert similar(engine, clustered(60, 1)[5], labels=["Tee"], n=9)[1] == "hnsw"
    assert all(TEE in plan for plan in plans)


@pytest.fixture
def single(engine, database_url):
    """One session, so that psycopg prepares what is repeated; and its plans are kept."""
    generic = {"options": "-c plan_cache_mode=force_generic_plan"}
    url = make_url(database_url).update_query_dict(generic)
    single = open_engine(url.render_as_string(hide_password=False), pool_size=1)
    yield single
    single.dispose()


def test_a_prepared_statement_is_planned_for_its_label(engine, single, shelve, monkeypatch):
    shelve("Blazer", 1200, seed=5)
    query = clustered(60, 5)[5]
    for _ in range(20):
        assert similar(single, query, labels=["Blazer"], n=9)[1] == "exact"
    build_indexes(engine, threshold=1000)
    for label in ("Blazer", "Tee"):
        for _ in range(20):
            assert similar(single, query, labels=[label], n=9)[1] == "hnsw"

    plans, execute = [], psycopg.Connection.execute

    def explain(connection, statement, values=None, **how):
        if "<=>" in statement:
            label = re.search(r"label = ('\w+') AND", statement)
            part = f"%label = {label[1]} AND%" if label else "%filtered AS%"
            ((name, generic, custom),) = execute(connection, PREPARED, [part]).fetchall()
            assert generic > 10
            assert custom == 0
            ordered = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
            literal = psycopg.ClientCursor(connection)
            literal.execute(
                f"EXPLAIN EXECUTE {name} ({', '.join(['%s'] * len(ordered))})",
                [values[key] for key in ordered],
            )
            plans.append(str(literal.fetchall()))
        return execute(connection, statement, values, **how)

    monkeypatch.setattr(psycopg.Connection, "execute", explain)
    for label, wanted in (("Blazer", index_name("Blazer")), ("Tee", index_name("Tee"))):
        plans.clear()
        similar(single, query, labels=[label], n=9)
        assert all(f"Index Scan using {wanted}" in plan for plan in plans)
    plans.clear()
    similar(single, query, labels=["Dress"], n=9)
    assert "hnsw" not in plans[0]


def test_a_tie_goes_to_the_lower_id_also_where_n_cuts_it(engine, loader, plans):
    same, others = clustered(1, 1)[0], clustered(60, 2)
    loader.write([row(f"{i}.jpg", label="Blazer", embedding=same) for i in range(20)])
    loader.write(
        [row(f"other/{i}.jpg", label="Blazer", embedding=each) for i, each in enumerate(others)]
    )
    build_indexes(engine, threshold=50)
    with engine.connect() as connection:
        first = connection.scalar(text("SELECT min(id) FROM garment WHERE label = 'Blazer'"))
    matches, method = similar(engine, same, labels=["Blazer"], n=7)
    assert [match.id for match in matches] == list(range(first, first + 7))
    assert method == "hnsw"
    assert all(f"Index Scan using {index_name('Blazer')}" in plan for plan in plans)


def test_no_plan_is_compiled(engine, monkeypatch):
    asked, execute = [], psycopg.Connection.execute

    def ask(connection, statement, parameters=None, **how):
        if "<=>" in statement:
            asked.append(execute(connection, "SELECT current_setting('jit')", prepare=False))
        return execute(connection, statement, parameters, **how)

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_setting('jit')")) == "on"
    monkeypatch.setattr(psycopg.Connection, "execute", ask)
    for exact in (True, False):
        similar(engine, clustered(60, 2)[5], labels=["Tee"], n=9, exact=exact)
    assert len(asked) >= 2
    assert {cursor.fetchone() for cursor in asked} == {("off",)}


def test_settings_end_with_the_query(engine):
    show = text(
        "SELECT current_setting('enable_sort'), current_setting('jit'),"
        " current_setting('plan_cache_mode'), current_setting('hnsw.ef_search', true),"
        " current_setting('hnsw.iterative_scan', true)"
    )
    for exact in (False, True):
        similar(engine, clustered(60, 1)[5], labels=["Tee"], n=100, exact=exact)
        with engine.connect() as connection:
            *planner, ef_search, iterative = connection.execute(show).one()
        assert planner == ["on", "on", "auto"]
        # None where this session has searched nothing yet
        assert (ef_search, iterative) in (("40", "off"), (None, None))


def test_every_row_asked_for_comes_back(engine, shelve):
    query = clustered(60, 2)[5]
    exact = similar(engine, query, labels=["Tee"], n=100, exact=True)[0]
    first = exact[0].id
    matches, method = similar(engine, query, labels=["Tee"], n=100, exclude=[first])
    assert (len(matches), method) == (100, "hnsw")
    assert first not in {match.id for match in matches}
    assert [m.similarity for m in matches] == sorted((m.similarity for m in matches), reverse=True)
    matches, method = similar(engine, first, labels=["Tee"], n=100)
    assert (len(matches), method) == (100, "hnsw")
    with engine.begin() as connection:
        digest = {"digest": bytes(32), "id": first}
        connection.execute(
            text("UPDATE garment SET content_sha256 = :digest WHERE id = :id"), digest
        )
    matches, method = similar(engine, query, labels=["Tee"], n=100, content="00" * 32)
    assert (len(matches), method) == (100, "hnsw")
    assert first not in {match.id for match in matches}

    floor = exact[40].similarity
    matches, method = similar(engine, query, labels=["Tee"], n=100, min_similarity=floor)
    assert method == "hnsw"
    assert 39 <= len(matches) <= 41


def test_a_shelf_of_the_deleted_gives_what_is_left(engine):
    """The index still leads to every dead row until VACUUM."""
    query = clustered(60, 1)[5]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM garment WHERE label = 'Tee' AND id % 25 <> 0"))
    assert len(similar(engine, query, labels=["Tee"], n=60)[0]) == 60
    matches, method = similar(engine, query, labels=["Tee"], n=100)
    assert (len(matches), method) == (60, "exact")


def test_what_an_index_leads_to_only_few_of_is_searched_exactly(engine):
    query = clustered(60, 1)[5]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM garment WHERE label = 'Tee' AND id % 125 <> 0"))
    found, method = similar(engine, query, labels=["Tee"], n=9)
    assert (len(found), method) == (9, "exact")  # of the twelve that are left
    assert found == similar(engine, query, labels=["Tee"], n=9, exact=True)[0]
