"""The analysis that stores neighbours, and the reports on what it found."""

import threading

import numpy as np
import pytest
from sqlalchemy import text

from service.catalog import (
    analyse,
    analysis_standing,
    cancel_analysis,
    delete_garment,
    open_engine,
    read_report,
    relabel_garment,
)
from service.catalog.analysis import neighbourhoods
from service.catalog.analysis.standing import begun
from service.errors import AnalysisCancelled, AnalysisRunning, CatalogEmpty

from .samples import clustered, embedding, row


@pytest.fixture
def run(engine, tmp_path):
    """Analyses the test's catalog."""

    def run(**how):
        return analyse(engine, duplicate_similarity=0.99, folder=tmp_path, **how)

    return run


@pytest.fixture
def stock(loader):
    """Sixty Tees and sixty Dresses of given labels, the groups apart, and three that are not right:
    61 is a Tee labelled Dress, 62 a copy of garment 1 in other bytes, 63 like nothing."""
    tees, dresses = clustered(60, 1), clustered(60, 2)
    garments = [("Tee", vector) for vector in tees[:59]]
    garments += [("Dress", vector) for vector in dresses]
    rng = np.random.default_rng(5)
    garments += [
        ("Dress", tees[59]),
        ("Tee", tees[0] * (1 + rng.normal(0, 0.01, 2048))),
        ("Tee", rng.permutation(tees[0])),
    ]
    loader.write(
        [
            row(
                f"{i:03}.jpg",
                label=label,
                label_source="given",
                embedding=vector.astype(np.float32),
                content_sha256=f"{i:064x}",
            )
            for i, (label, vector) in enumerate(garments)
        ]
    )
    return garments


def found(engine, name):
    return read_report(engine, name).as_dict()["rows"]


def test_each_garment_has_its_nearest_of_any_label(engine, stock, run):
    assert run() == 122
    vectors = np.stack([vector for _, vector in stock]).astype(np.float16).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    with engine.connect() as connection:
        query = text("SELECT * FROM catalog_neighbours WHERE garment_id = :id ORDER BY rank")
        for garment_id in (1, 60, 120, 122):
            rows = connection.execute(query, {"id": garment_id}).all()
            right = np.argsort(-cosines[garment_id - 1], kind="stable")[:10]
            assert [r.neighbour_id for r in rows] == (right + 1).tolist()
            assert [r.similarity for r in rows] == pytest.approx(
                cosines[garment_id - 1][right], abs=1e-5
            )
            assert [r.neighbour_label for r in rows] == [stock[at][0] for at in right]


def test_a_copy_a_wrong_label_and_a_stranger_are_found(engine, stock, run):
    run()
    copies = found(engine, "duplicates")
    assert [(c["garment_id"], c["group_id"], c["garments"]) for c in copies] == [
        (1, 1, 2),
        (121, 1, 2),
    ]
    assert not copies[0]["identical"]
    assert copies[0]["similarity"] == copies[1]["similarity"] > 0.99
    first = found(engine, "mislabels")[0]
    assert (first["garment_id"], first["label"], first["suggested_label"]) == (120, "Dress", "Tee")
    assert (first["suspicion"], first["suggested"], first["same_label"]) == (1.0, 10, 0)
    outliers = found(engine, "outliers")
    assert outliers[0]["garment_id"] == 122
    assert outliers[0]["isolation"] > 3.5
    assert [o["isolation"] for o in outliers] == sorted(
        (o["isolation"] for o in outliers), reverse=True
    )


def test_copies_are_duplicates_whatever_the_least_similarity(engine, loader, tmp_path):
    twice = [embedding(at % 40) for at in range(80)]
    loader.write(
        [
            row(f"{at:02}.jpg", embedding=vector, content_sha256=f"{at:064x}")
            for at, vector in enumerate(twice)
        ]
    )
    analyse(engine, duplicate_similarity=1, folder=tmp_path)
    report = read_report(engine, "duplicates", duplicate_similarity=1)
    assert report.note is None  # made with what is set
    assert {(c["group_id"], c["garments"]) for c in report.as_dict()["rows"]} == {
        (at, 2) for at in range(1, 41)
    }


def test_thresholds_are_of_each_label_and_their_precision_holds(engine, stock, run):
    run()
    rows = found(engine, "thresholds")
    assert {r["label"] for r in rows} == {"Tee", "Dress"}
    again = text("""
        SELECT wanted_precision, precision, pairs, count(*) AS pairs_again,
               avg((near.label = neighbour_label)::int)::float8 AS precision_again
        FROM catalog_thresholds AS known
        JOIN catalog_neighbours AS near
            ON near.label = known.label AND near.similarity >= known.similarity
        WHERE near.similarity < 0.99
        GROUP BY known.label, wanted_precision, precision, pairs
    """)
    with engine.connect() as connection:
        kept = connection.execute(again).all()
    assert len(kept) == len(rows)
    for r in kept:
        assert r.pairs_again == r.pairs
        assert r.precision_again == r.precision >= r.wanted_precision


def test_a_report_says_what_happened_since(engine, stock, loader, run, model_id):
    report = read_report(engine, "mislabels")
    assert (report.made_at, report.rows) == (None, [])
    assert "never searched" in report.note
    assert "`fashion-studio analytics mislabels --refresh`" in report.note
    assert read_report(engine, "categories").note is None
    run()
    assert read_report(engine, "mislabels").note is None
    assert read_report(engine, "mislabels").made_at is not None
    loader.write([row("new.jpg")])
    delete_garment(engine, 5)
    note = read_report(engine, "outliers").note
    assert note.startswith("Of the garments 1 came or changed and 1 went since this was made. `")
    run()
    assert read_report(engine, "outliers").note is None


def test_a_garment_that_was_put_right_is_no_longer_listed(engine, stock, run, model_id):
    run()
    relabel_garment(engine, 120, "Tee", confidence=None, digest=None, model_id=model_id)
    delete_garment(engine, 121)
    assert 120 not in {r["garment_id"] for r in found(engine, "mislabels")}
    assert found(engine, "duplicates") == []


def test_another_model_makes_it_worthless(engine, stock, run):
    run()
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET serving = false"))
    assert read_report(engine, "outliers").note.startswith("This was made with another model")


def test_catalogs_of_none_and_one(engine, run, loader):
    assert run() == 0
    assert read_report(engine, "duplicates").note is None
    loader.write([row("a.jpg")])
    assert run() == 1
    for name in ("duplicates", "mislabels", "outliers", "thresholds"):
        assert read_report(engine, name).rows == []


def test_a_catalog_without_a_model_has_nothing_to_analyse(engine, run):
    with pytest.raises(CatalogEmpty):
        run()
    assert analysis_standing(engine).made_at is None


def test_one_that_is_cancelled_or_fails_leaves_what_was_there(engine, stock, run, monkeypatch):
    run()
    made_at = analysis_standing(engine).made_at
    monkeypatch.setattr("service.catalog.analysis.standing.BEAT_EVERY", 0)

    def cancel(done, total):
        cancel_analysis(engine)

    monkeypatch.setattr("service.catalog.analysis.nearest.ROWS", 50)
    with pytest.raises(AnalysisCancelled):
        run(progress=cancel)
    with pytest.raises(ZeroDivisionError):
        run(progress=lambda done, total: 1 // 0)
    assert analysis_standing(engine).made_at == made_at
    assert analysis_standing(engine).progress is None
    assert found(engine, "duplicates")


def test_one_runs_at_a_time_and_tells_how_far_it_is(engine, stock, run, monkeypatch):
    monkeypatch.setattr("service.catalog.analysis.standing.BEAT_EVERY", 0)
    monkeypatch.setattr("service.catalog.analysis.nearest.ROWS", 50)
    seen = []

    def look(done, total):
        seen.append(analysis_standing(engine).progress)
        with pytest.raises(AnalysisRunning):
            run()

    run(progress=look)
    assert seen == [(50, 122), (100, 122), (122, 122)]
    assert analysis_standing(engine).progress is None


def test_a_killed_one_is_forgotten_by_the_next(engine, stock, run):
    with engine.begin() as connection:  # as a killed process leaves it
        connection.execute(
            text(
                "INSERT INTO analysis (model_id, duplicate_similarity, total, heartbeat_at)"
                " SELECT id, 0.99, 122, now() - interval '2 minutes' FROM model WHERE serving"
            )
        )
    assert analysis_standing(engine).progress is None
    run()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM analysis")) == 1


def test_garments_that_go_meanwhile_do_not_stop_it(engine, stock, run):
    def remove(done, total):
        delete_garment(engine, 1)

    assert run(progress=remove) == 122
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM neighbourhood")) == 121
    assert found(engine, "duplicates") == []
    assert read_report(engine, "outliers").note is None


def test_two_sessions_do_not_hold_it_at_once(engine, model_id):
    with begun(engine, duplicate_similarity=0.9) as record:
        assert record is not None
        refused = []

        def second():
            try:
                with begun(engine, duplicate_similarity=0.9):
                    pass
            except AnalysisRunning as error:
                refused.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert len(refused) == 1
    assert analysis_standing(engine).made_at is None


@pytest.mark.parametrize(
    ("work", "lock"),
    [
        ("_read", "LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"),
        ("_store", "SELECT FROM garment FOR UPDATE"),
    ],
)
def test_a_servers_limit_stops_no_analysis(
    engine, database_url, stock, tmp_path, monkeypatch, work, lock
):
    function = getattr(neighbourhoods, work)

    def slow(*args):
        with engine.connect() as other:
            other.execute(text(lock))
            timer = threading.Timer(1, other.rollback)
            timer.start()
            try:
                return function(*args)
            finally:
                timer.join()

    monkeypatch.setattr(neighbourhoods, work, slow)
    hasty = open_engine(database_url, statement_seconds=0.3)
    assert analyse(hasty, duplicate_similarity=0.99, folder=tmp_path) == len(stock)
    hasty.dispose()
