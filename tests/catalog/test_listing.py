"""Browsing the catalog."""

from datetime import date

import pytest
from sqlalchemy import event, text

from service.catalog import Conditions, garments_page
from service.errors import InvalidParameter, LabelUnknown

from .samples import row


@pytest.mark.parametrize(("label", "expected"), [(None, range(1, 12)), ("Dress", [2, 5, 8, 11])])
@pytest.mark.parametrize("limit", [1, 2, 3, 11, 1000])
def test_pages_hold_every_garment_once(engine, fill, label, expected, limit):
    fill(11)
    seen, cursor = [], None
    while True:
        garments, cursor = garments_page(
            engine, Conditions(label=label), limit=limit, cursor=cursor
        )
        assert len(garments) <= limit
        seen += [garment.id for garment in garments]
        if cursor is None:
            break
    assert seen == list(expected)


@pytest.mark.parametrize("cursor", ["", "-1", "x", "1.5", "٣", "9" * 40, "1; DROP TABLE garment"])
def test_a_cursor_that_no_page_gave_is_refused(engine, model_id, cursor):
    with pytest.raises(InvalidParameter, match="cursor"):
        garments_page(engine, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -5, 1001])
def test_a_page_holds_1_to_1000(engine, model_id, limit):
    with pytest.raises(InvalidParameter, match="limit"):
        garments_page(engine, limit=limit)


def test_an_unknown_label_is_refused(engine, model_id):
    with pytest.raises(LabelUnknown, match="Choose among"):
        garments_page(engine, Conditions(label="Sari"))


def test_a_label_before_any_model_is_refused(engine):
    with pytest.raises(LabelUnknown, match="none yet"):
        garments_page(engine, Conditions(label="Tee"))


@pytest.mark.parametrize("limit", [1, 4, 11])
def test_the_newest_come_first_where_that_is_asked(engine, fill, limit):
    fill(11)
    seen, cursor = [], None
    while True:
        garments, cursor = garments_page(engine, order="newest", limit=limit, cursor=cursor)
        seen += [garment.id for garment in garments]
        if cursor is None:
            break
    assert seen == list(range(11, 0, -1))


@pytest.fixture
def varied(engine, loader):
    """Photos 1 to 5: labels, sources, paths, confidences and days that differ."""
    loader.write(
        [
            row("Summer/1.jpg", label="Tee", label_source="given", confidence=0.9),
            row("summer/2.jpg", label="Dress", label_source="given", confidence=0.3),
            row("winter/3.jpg", label="Dress", confidence=0.5, predicted_label="Dress"),
            row("100%_cotton/4.jpg", label="Dress", confidence=None, predicted_label=None),
            row("winter/5.jpg", label="Blazer", confidence=0.7, predicted_label="Blazer"),
        ]
    )
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE garment SET created_at = TIMESTAMPTZ '2026-03-01 23:30+00'"
                " + (left(split_part(image_path, '/', 2), 1)::int - 1) * INTERVAL '1 hour'"
            )
        )


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"label": "Dress"}, [2, 3, 4]),
        ({"label_source": "given"}, [1, 2]),
        ({"label": "Dress", "label_source": "predicted"}, [3, 4]),
        ({"predicted_label": "Tee"}, [1, 2]),
        ({"label": "Dress", "predicted_label": "Tee"}, [2]),
        ({"model": "tiny@1"}, [1, 2, 3, 4, 5]),
        ({"model": "tiny@2"}, []),
        ({"q": "SUMMER/"}, [1, 2]),
        ({"q": "%"}, [4]),
        ({"q": "_"}, [4]),
        ({"q": "nowhere"}, []),
        ({"min_confidence": 0.5}, [1, 3, 5]),
        ({"max_confidence": 0.5}, [2, 3]),
        ({"min_confidence": 0.3, "max_confidence": 0.3}, [2]),
        ({"added_to": date(2026, 3, 1)}, [1]),
        ({"added_from": date(2026, 3, 2)}, [2, 3, 4, 5]),
        ({"added_from": date(2026, 3, 1), "added_to": date(2026, 3, 2)}, [1, 2, 3, 4, 5]),
        ({"added_to": date.min}, []),
        ({"added_to": date.max, "added_from": date.min, "q": "winter"}, [3, 5]),
    ],
)
def test_conditions_are_met_together_and_pages_hold_all_that_meet_them(
    engine, varied, conditions, expected
):
    for limit in (1, 2, 50):
        seen, cursor = [], None
        while True:
            found, cursor = garments_page(
                engine, Conditions(**conditions), limit=limit, cursor=cursor
            )
            seen += [int(garment.image_path.partition("/")[2][0]) for garment in found]
            if cursor is None:
                break
        assert sorted(seen) == expected


def test_an_unknown_predicted_label_is_refused(engine, model_id):
    with pytest.raises(LabelUnknown, match="Sari"):
        garments_page(engine, Conditions(predicted_label="Sari"))


@pytest.mark.parametrize("order", ["oldest", "newest"])
@pytest.mark.parametrize("conditions", [{}, {"label": "Tee"}, {"label": "Tee", "q": ".jpg"}])
def test_a_page_is_walked_to_by_an_index_and_never_sorted(engine, fill, conditions, order):
    fill(3000)
    plans = []

    @event.listens_for(engine, "before_cursor_execute")
    def explain(connection, cursor, statement, values, *_):
        if "ORDER BY garment.id" in statement and not statement.startswith("EXPLAIN"):
            cursor.execute("EXPLAIN " + statement, values)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE garment"))
    found, _ = garments_page(engine, Conditions(**conditions), order=order, cursor="1500")
    assert len(found) == 50
    assert ["Index Scan" in plan and "Sort" not in plan for plan in plans] == [True]
