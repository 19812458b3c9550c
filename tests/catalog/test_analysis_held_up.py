"""An analysis that meets a full disk, a cancel while it stores, or somebody's lock."""

from functools import partial
from io import FileIO

import pytest
from sqlalchemy import text

from service.catalog import analyse, analysis_standing, cancel_analysis, read_report
from service.catalog.analysis import neighbourhoods, standing
from service.errors import AnalysisCancelled, HomeNotWritable, StorageFull


@pytest.fixture
def run(engine, fill, tmp_path):
    """Analyses forty garments; it was done once."""
    fill(40)
    run = partial(analyse, engine, duplicate_similarity=0.99, folder=tmp_path)
    run()
    return run


def kept(engine):
    """What is stored, and how it stands."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM neighbourhood ORDER BY garment_id")).all()
        assert len(rows) == 40
        return rows, analysis_standing(engine)


def test_a_disk_without_room_is_said_and_what_was_stored_stays(engine, run, tmp_path, monkeypatch):
    before = kept(engine)
    assert before[1].progress is None
    with pytest.raises(
        HomeNotWritable, match=r"gone cannot be written: No such file or directory\."
    ):
        run(folder=tmp_path / "gone")
    full = partial(FileIO, "/dev/full", "w")
    monkeypatch.setattr(neighbourhoods.tempfile, "TemporaryFile", lambda dir: full())
    with pytest.raises(StorageFull, match=rf"no room in {tmp_path} .* 4 kB a garment\. What was"):
        run()
    assert kept(engine) == before


@pytest.mark.parametrize("after", ["votes", "_copy"])
def test_a_cancel_is_heard_while_it_stores(engine, run, monkeypatch, after):
    stored = kept(engine)
    monkeypatch.setattr(standing, "BEAT_EVERY", 0)
    work = getattr(neighbourhoods, after)

    def cancelled(*args):
        done = work(*args)
        cancel_analysis(engine)
        return done

    monkeypatch.setattr(neighbourhoods, after, cancelled)
    with pytest.raises(AnalysisCancelled):
        run()
    assert kept(engine) == stored


def test_it_waits_for_nobody_to_say_how_far_it_is(engine, run, monkeypatch):
    """Who locks the record, as `restore` does, may wait for the analysis itself."""
    monkeypatch.setattr(standing, "BEAT_EVERY", 0)
    with standing.begun(engine, duplicate_similarity=0.99) as record:
        record.beat(7)
        with engine.connect() as other:
            other.execute(text("LOCK TABLE analysis IN ACCESS EXCLUSIVE MODE"))
            record.beat(8)
        assert analysis_standing(engine).progress == (7, 40)
        record.beat(9)
        assert analysis_standing(engine).progress == (9, 40)


def test_a_report_says_of_which_similarity_it_is(engine, run):
    ask = partial(read_report, engine, "duplicates")
    assert ask(duplicate_similarity=0.99).note is None
    assert ask().note is None
    assert ask(duplicate_similarity=0.9).note.startswith(
        "This was made with 0.99 as FASHION_STUDIO_DUPLICATE_SIMILARITY, which is 0.9 by now. `"
    )
