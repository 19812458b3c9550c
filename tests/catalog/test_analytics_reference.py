"""docs/analytics.md: its columns are the views', and its queries run and answer what they say."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from service.catalog import REPORTS, SetImage, analyse, read_report, store_set

from .samples import clustered, row

REFERENCE = (Path(__file__).parents[2] / "docs/analytics.md").read_text(encoding="utf-8")
BY_HAND = REFERENCE.partition("## Queries by hand")[2]
QUERIES = dict(re.findall(r"([^\n]+):\n\n```sql\n(.+?);\n```", BY_HAND, re.DOTALL))
VIEWS = dict(re.findall(r"^\| `(catalog_\w+)` \| ([\w, ]+) \|$", REFERENCE, re.MULTILINE))


@pytest.fixture
def catalog(engine, model_id, loader, tmp_path):
    """Forty Dresses and forty Tees; two pictures are there twice, one Tee is labelled Dress."""
    vectors = list(clustered(40, 1)) + list(clustered(40, 2))
    vectors[41] = vectors[40]
    loader.write(
        [
            row(
                f"{i:03}.jpg",
                label="Dress" if i < 40 or i == 61 else "Tee",
                predicted_label="Blazer" if i % 10 == 3 else "Dress" if i < 40 else "Tee",
                label_source="given" if i % 4 else "predicted",
                confidence=i / 100,
                embedding=vector,
                content_sha256=f"{40 if i == 41 else i:064x}",
            )
            for i, vector in enumerate(vectors)
        ]
        + [row("other.jpg", label="Blazer", embedding=vectors[40], content_sha256=f"{40:064x}")]
    )
    store_set(engine, model_id, [SetImage("a.jpg", "Tee", 0.5), SetImage("b.jpg", "Dress", 0.5)])
    store_set(engine, model_id, [SetImage("c.jpg", "Tee", 0.5)])
    analyse(engine, duplicate_similarity=0.99, folder=tmp_path)


def test_there_are_twelve_queries_and_every_view():
    assert len(QUERIES) == 12
    assert set(VIEWS) == {f"catalog_{name}" for name in (*REPORTS, "neighbours")}
    assert set(re.findall(r"^\| `(\w+)` \| a ", REFERENCE, re.MULTILINE)) == set(REPORTS)


@pytest.mark.parametrize("view", VIEWS)
def test_the_columns_of_a_view_are_those_documented(engine, view):
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM {view}"))
        assert list(found.keys()) == VIEWS[view].split(", ")


@pytest.mark.parametrize("asked", QUERIES)
def test_every_query_runs_and_has_an_answer(engine, catalog, asked):
    with engine.connect() as connection:
        assert connection.execute(text(QUERIES[asked])).all(), asked
        connection.execute(text("DELETE FROM garment"))
        connection.execute(text(QUERIES[asked]))  # of nothing, too


def answer(engine, part):
    (query,) = (query for asked, query in QUERIES.items() if part in asked)
    with engine.connect() as connection:
        return connection.execute(text(query)).all()


def change(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_the_answers_are_right(engine, catalog):
    ask = partial(answer, engine)
    given = [i for i in range(80) if i % 4]
    right = [i for i in given if i % 10 != 3 and i != 61]
    assert ask("whatever the label")[0].accuracy == pytest.approx(len(right) / len(given))
    assert {(r.label, r.predicted_label) for r in ask("most frequent confusions")} == {
        ("Dress", "Blazer"), ("Tee", "Blazer"), ("Dress", "Tee"),
    }  # fmt: skip
    assert {r.label: r.recall for r in ask("Precision, recall")}["Tee"] == pytest.approx(
        len([i for i in right if i >= 40]) / len([i for i in given if i >= 40 and i != 61])
    )
    assert sum(r.count for r in ask("histogram")) == 81
    assert [(r.label, r.images) for r in ask("customers sent")] == [("Tee", 2), ("Dress", 1)]
    (group,) = ask("more than one label")
    assert group.labels == ["Blazer", "Tee"]
    assert group.pictures == ["040.jpg", "041.jpg", "other.jpg"]
    assert [r.image_path for r in ask("could be deleted")] == ["041.jpg", "other.jpg"]
    neighbours = ask("next to each other")
    assert neighbours[0].neighbour_label == "Dress"
    assert sum(r.share for r in neighbours) == pytest.approx(1)
    assert read_report(engine, "mislabels").rows


def test_a_category_that_the_model_is_never_right_about_has_zero(engine, catalog):
    change(engine, "UPDATE garment SET label_source = 'given' WHERE image_path = 'other.jpg'")
    measured = {row.label: tuple(row)[1:] for row in answer(engine, "Precision, recall")}
    assert set(measured) == {"Dress", "Tee", "Blazer"}
    assert measured["Blazer"] == (0, 0, 0)
    recall, precision, f1 = measured["Tee"]
    assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
    named = [i for i in range(40, 80) if i % 4 and i % 10 != 3]
    assert precision == pytest.approx(
        (len(named) - 1) / (len(named) + 1)
    )  # without 61, and the other
    change(
        engine, "UPDATE garment SET predicted_label = 'Tee' WHERE predicted_label = 'Blazer'"
    )  # now it never names one
    measured = {row.label: tuple(row)[1:] for row in answer(engine, "Precision, recall")}
    assert measured["Blazer"] == (0, 0, 0)


def test_of_two_pictures_that_nearly_show_the_same_one_each_stays(engine, catalog):
    change(
        engine,
        "UPDATE garment SET content_sha256 = sha256('b') WHERE image_path IN ('041.jpg', 'other.jpg')",
        "UPDATE garment SET content_sha256 = sha256('a') WHERE image_path IN ('040.jpg', '042.jpg')",
    )
    assert len(answer(engine, "more than one label")[0].pictures) == 4
    assert {row.image_path for row in answer(engine, "could be deleted")} == {
        "042.jpg",
        "other.jpg",
    }
