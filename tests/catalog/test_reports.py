"""Reports on the catalog as it is: what the views say."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text

from service.catalog import REPORTS, STORED, SetImage, migrate, read_report, store_set
from service.errors import ReportNotFound

from .samples import row


def rows_of(engine, name, **how):
    """A report's rows as objects."""
    return read_report(engine, name, **how).as_dict()["rows"]


@pytest.mark.parametrize("name", REPORTS)
def test_an_empty_catalog_gives_an_empty_report(engine, name):
    report = read_report(engine, name)
    assert (report.rows, report.more) == ([], False)
    assert report.columns


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_and_column_says_what_it_means(engine, name):
    report = read_report(engine, name)
    assert report.title
    assert all(column.meaning for column in report.columns)
    assert (report.standing is not None) == (name in STORED)


def test_what_columns_mean_goes_up_and_down_with_the_revision(engine):
    def meanings():
        return {
            (name, column.name): column.meaning
            for name in ("confidence", "agreement", "mislabels")
            for column in read_report(engine, name).columns
            if (name, column.name) == ("confidence", "garments") or column.name == "predicted_label"
        }

    now = meanings()
    assert len(now) == 3
    assert now["confidence", "garments"].endswith("seen, and whose label it knows")
    assert now["agreement", "predicted_label"] == now["mislabels", "predicted_label"]
    assert "recognises no garment" in now["mislabels", "predicted_label"]
    migrate(engine, "0011")
    assert meanings()["confidence", "garments"].endswith("has seen")
    assert set(meanings().values()).isdisjoint(now.values())
    migrate(engine)
    assert meanings() == now


def test_an_unknown_report_is_refused_with_the_known_ones(engine):
    with pytest.raises(
        ReportNotFound, match=r"no report sales\. Choose among categories, agreement,"
    ):
        read_report(engine, "sales")


def test_a_limit_says_that_there_is_more(engine, model_id):
    whole = read_report(engine, "categories")
    assert (len(whole.rows), whole.more) == (3, False)
    assert not read_report(engine, "categories", limit=3).more
    cut = read_report(engine, "categories", limit=2)
    assert (cut.rows, cut.more) == (whole.rows[:2], True)


def test_categories_are_in_the_models_order_with_shares(engine, loader):
    loader.write(
        [
            row("a.jpg", label="Dress", label_source="given"),
            row("b.jpg", label="Dress"),
            row("c.jpg", label="Tee"),
            row("d.jpg", label="Tee"),
        ]
    )
    found = rows_of(engine, "categories")
    assert [entry["label"] for entry in found] == ["Tee", "Dress", "Blazer"]
    assert found[1] == {
        "label": "Dress", "position": 1, "garments": 2, "share": 0.5, "given": 1, "predicted": 1,
    }  # fmt: skip
    assert found[2]["garments"] == 0


def test_agreement_compares_given_labels_with_the_models(engine, loader):
    given = {"label_source": "given"}
    loader.write(
        [
            row("a.jpg", label="Dress", predicted_label="Dress", **given),
            row("b.jpg", label="Dress", predicted_label="Tee", **given),
            row("c.jpg", label="Dress", predicted_label="Dress", **given),
            row("d.jpg", label="Dress", predicted_label="Blazer", **given),
            row("e.jpg", label="Tee", predicted_label="Dress", **given),
            row("f.jpg", label="Tee", predicted_label=None, confidence=None, **given),
            row("g.jpg", label="Tee", predicted_label="Tee", label_source="predicted"),
        ]
    )
    pairs = [
        (e["label"], e["predicted_label"], e["garments"], e["share"], e["agreement"])
        for e in rows_of(engine, "agreement")
    ]
    assert pairs == [
        ("Dress", "Dress", 2, 0.5, 0.5),
        ("Dress", "Blazer", 1, 0.25, 0.5),
        ("Dress", "Tee", 1, 0.25, 0.5),
        ("Tee", "Dress", 1, 1.0, 0.0),
    ]


def test_confidence_is_a_distribution_per_category(engine, loader):
    loader.write([row(f"{i}.jpg", confidence=i / 10) for i in range(11)])
    loader.write([row("unseen.jpg", confidence=None), row("d.jpg", label="Dress", confidence=0.25)])
    dress, tee = rows_of(engine, "confidence")
    assert (dress["label"], dress["garments"], dress["lowest"], dress["highest"]) == (
        "Dress", 1, 0.25, 0.25,
    )  # fmt: skip
    assert tee["garments"] == 11
    quantiles = [tee[name] for name in ("lowest", "p10", "p25", "median", "p75", "p90", "highest")]
    assert quantiles == pytest.approx([0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
    assert tee["mean"] == pytest.approx(0.5)


def test_growth_counts_by_day_in_utc_the_newest_first(engine, loader):
    loader.write([row(f"{i}.jpg") for i in range(4)])
    with engine.begin() as connection:
        set_time = text("UPDATE garment SET created_at = :at WHERE image_path = :path")
        for path, at in (
            ("0.jpg", datetime(2026, 1, 1, 23, 59, tzinfo=UTC)),
            ("1.jpg", datetime(2026, 1, 2, 0, 1, tzinfo=UTC)),
            ("2.jpg", datetime(2026, 1, 2, 12, 0, tzinfo=UTC)),
            ("3.jpg", datetime(2026, 2, 1, tzinfo=UTC)),
        ):
            connection.execute(set_time, {"path": path, "at": at})
    with engine.begin() as connection:  # an analyst elsewhere gets the same days
        connection.execute(text("SET LOCAL TimeZone = 'Pacific/Auckland'"))
        assert connection.execute(text("SELECT * FROM catalog_growth ORDER BY day")).all() == [
            (date(2026, 1, 1), 1, 1), (date(2026, 1, 2), 2, 3), (date(2026, 2, 1), 1, 4),
        ]  # fmt: skip
    assert rows_of(engine, "growth", limit=1) == [{"day": "2026-02-01", "added": 1, "garments": 4}]


def test_sets_are_ranked_day_by_day(engine, model_id):
    first = store_set(engine, model_id, [SetImage("a.jpg", "Tee", 0.5), SetImage("b", error="no")])
    store_set(
        engine,
        model_id,
        [SetImage(f"{i}.jpg", label, 0.5) for i, label in enumerate(("Tee", "Dress"))],
    )
    old = store_set(engine, model_id, [SetImage("c.jpg", "Blazer", 0.9)])
    with engine.begin() as connection:
        move = text("UPDATE upload_set SET created_at = '2020-02-29 12:00+00' WHERE id = :id")
        connection.execute(move, {"id": old})
    assert first != old
    found = rows_of(engine, "sets")
    assert [(e["rank"], e["label"], e["images"], e["sets"]) for e in found] == [
        (1, "Tee", 2, 2), (2, "Dress", 1, 1), (1, "Blazer", 1, 1),
    ]  # fmt: skip
    assert found[0]["share"] == pytest.approx(2 / 3, abs=1e-6)
    assert found[2]["day"] == "2020-02-29"


def test_models_show_what_each_embedded(engine, loader):
    assert [(e["model"], e["garments"]) for e in rows_of(engine, "models")] == [("tiny@1", 0)]
    loader.write([row("a.jpg"), row("b.jpg")])
    (model,) = rows_of(engine, "models")
    assert (model["model"], model["serving"], model["garments"]) == ("tiny@1", True, 2)
    assert (model["share"], model["indexed"]) == (1.0, 0)
    assert model["first_at"] <= model["last_at"]


def test_identical_bytes_are_duplicates_without_an_analysis(engine, loader):
    loader.write(
        [
            row("a.jpg", content_sha256="aa" * 32),
            row("b.jpg", content_sha256="bb" * 32),
            row("c.jpg", content_sha256="aa" * 32),
            row("d.jpg", content_sha256=None, confidence=None),
            row("e.jpg", content_sha256=None, confidence=None),
        ]
    )
    found = rows_of(engine, "duplicates")
    assert [(e["image_path"], e["garments"], e["identical"], e["similarity"]) for e in found] == [
        ("a.jpg", 2, True, 1.0), ("c.jpg", 2, True, 1.0),
    ]  # fmt: skip
    assert len({entry["group_id"] for entry in found}) == 1
