"""`fashion-studio index`, and the indexes that `ingest` and `doctor` see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from service.catalog import Loader, build_indexes, index_name, open_engine, shelves, similar
from service.cli import main
from service.cli.index import _complaints
from service.encoder import Encoder
from service.settings import Settings
from service.studio import Studio

from .catalog.samples import clustered, row
from .conftest import _database


@pytest.fixture(scope="module")
def filled(administrator: Engine, template: str, home: Path, encoder: Encoder) -> Iterator[str]:
    """The name of a database with 1,500 Tees and 30 Dresses, to be copied."""
    for url in _database(administrator, template):
        with Studio(Settings(home=home, database_url=url)) as studio:
            loader = Loader(studio.engine, studio.model_id)
            for label, count in (("Tee", 1500), ("Dress", 30)):
                vectors = enumerate(clustered(count, 1))
                loader.write(
                    [row(f"{label}/{i}.jpg", label=label, embedding=v) for i, v in vectors]
                )
        yield str(make_url(url).database)


@pytest.fixture(scope="module")
def built(administrator: Engine, filled: str) -> Iterator[str]:
    """The name of a copy in which the index that is due was built."""
    for url in _database(administrator, filled):
        engine = open_engine(url)
        build_indexes(engine)
        engine.dispose()
        yield str(make_url(url).database)


@pytest.fixture
def database_url(
    request: pytest.FixtureRequest, administrator: Engine, filled: str
) -> Iterator[str]:
    name = request.getfixturevalue("built") if "indexed" in request.fixturenames else filled
    yield from _database(administrator, name)


@pytest.fixture
def stocked(environment: dict[str, str], studio: Studio) -> Studio:
    """1,500 Tees and 30 Dresses."""
    return studio


@pytest.fixture
def indexed(stocked: Studio) -> Studio:
    """With the index of the Tees."""
    return stocked


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """Run a command in this process; gives its exit status, its JSON, and its stderr."""

    def call(*arguments: object) -> tuple[int, dict, str]:
        with pytest.raises(SystemExit) as end:
            main([*map(str, arguments), "--json"])
        said = capsys.readouterr()
        return int(end.value.code or 0), json.loads(said.out or "{}"), said.err

    return call


def entry(answer: dict, label: str) -> dict:
    return next(entry for entry in answer["indexes"] if entry["label"] == label)


def test_check_changes_nothing_and_index_builds_what_is_due(stocked: Studio, call) -> None:
    for _ in range(2):
        code, answer, _ = call("index", "--check")
        assert code == 1
        assert answer["complaints"] == ["Tee: build is due. Run `fashion-studio index`."]
        assert entry(answer, "Tee")["state"] == "none"

    code, answer, _ = call("index")
    assert (code, answer["ok"]) == (0, True)
    tee, dress = entry(answer, "Tee"), entry(answer, "Dress")
    assert (tee["rows"], tee["method"], tee["state"], tee["due"]) == (1500, "hnsw", "valid", None)
    assert tee["recall"] >= 0.99
    assert 1500 * 400 < tee["bytes"] < 1500 * 800
    assert (dress["method"], dress["state"], dress["recall"]) == ("exact", "none", 1)
    assert [entry["label"] for entry in answer["indexes"]] == list(stocked.card.labels)

    assert call("index", "--check")[0] == 0


def test_check_fails_where_recall_is_low(indexed: Studio, call, monkeypatch) -> None:
    monkeypatch.setattr("service.cli.index.measure_recall", lambda engine, label: 0.98)
    code, answer, _ = call("index", "--check")
    assert code == 1
    assert "Tee: recall@10 is 0.980, under 0.99" in answer["complaints"][0]
    assert call("index")[0] == 0


@pytest.mark.parametrize(
    ("rows", "recall", "advice"),
    [
        (100_000, 0.986, "Run `fashion-studio index --rebuild`."),
        (367_000, 0.986, "gives no more: search with --exact"),
        (367_000, 0.97, "Run `fashion-studio index --rebuild`."),
    ],
)
def test_a_rebuild_is_advised_only_where_it_helps(rows: int, recall: float, advice: str) -> None:
    entry = {"label": "Dress", "state": "valid", "due": None, "rows": rows, "recall": recall}
    (complaint,) = _complaints([entry], [])
    assert advice in complaint


def test_check_and_doctor_fail_where_an_index_is_invalid(indexed: Studio, call) -> None:
    assert details(call("doctor"))["indexes"] == "1 valid, none due"
    with indexed.engine.begin() as connection:
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"),
            {"name": index_name("Tee")},
        )
    code, answer, _ = call("index", "--check")
    assert (code, entry(answer, "Tee")["state"]) == (1, "invalid")
    assert call("doctor")[0] == 1
    assert details(call("doctor"))["indexes"] == "Tee invalid. Run `fashion-studio index`."
    assert call("index")[1]["ok"]


def test_doctor_names_what_is_due(stocked: Studio, call) -> None:
    assert details(call("doctor"))["indexes"] == "Tee due. Run `fashion-studio index`."


def test_rebuild_builds_anew(indexed: Studio, call) -> None:
    number = text("SELECT to_regclass(:name)::oid")
    with indexed.engine.connect() as connection:
        before = connection.scalar(number, {"name": index_name("Tee")})
    assert call("index", "--rebuild")[1]["ok"]
    with indexed.engine.connect() as connection:
        assert connection.scalar(number, {"name": index_name("Tee")}) != before


def test_check_and_rebuild_contradict_each_other(call) -> None:
    code, _, said = call("index", "--check", "--rebuild")
    assert code == 2
    assert "choose one" in said


def test_the_table_names_every_label(stocked: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["index", "--check"])
    said = capsys.readouterr()
    assert "recall@10" in said.out
    assert all(label in said.out for label in stocked.card.labels)
    assert "Tee: build is due" in said.err


def test_ingest_ends_by_building_what_is_due(stocked: Studio, call, drawn) -> None:
    assert call("ingest", drawn / "garments.csv", "--dry-run")[0] == 0
    assert shelf_state(stocked) == "none"
    code, answer, _ = call("ingest", drawn / "garments.csv")
    assert (code, answer["added"]) == (0, 33)
    assert shelf_state(stocked) == "valid"
    assert similar(stocked.engine, 7, labels=["Tee"], n=9)[1] == "hnsw"


def shelf_state(studio: Studio) -> str:
    return next(shelf.state for shelf in shelves(studio.engine) if shelf.label == "Tee")


def details(called: tuple[int, dict, str]) -> dict[str, str]:
    return {check["check"]: check["detail"] for check in called[1]["checks"]}
