"""Searches among the garments that a relation of the shop's own names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from service.catalog import build_indexes, open_engine, similar
from service.errors import AmongUnknown

from .samples import LABELS, clustered, embedding, shelved
from .test_plans import TEE, database_url, filled, plans

PAGE = Path(__file__).parents[2] / "docs/shop.md"

__all__ = ["database_url", "filled", "plans"]  # Tee has 1,500 garments and an index, Dress 60


def own(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def product(engine: Engine) -> Engine:
    """The shop's own table: a product for each garment."""
    own(
        engine,
        """CREATE TABLE product AS
           SELECT id AS number, CAST(image_path AS varchar(200)) AS photo FROM garment""",
        "CREATE INDEX ON product (photo)",
    )
    return engine


def view(name: str, condition: str) -> str:
    return f"CREATE VIEW among_{name} AS SELECT photo AS image_path FROM product WHERE {condition}"


@pytest.mark.parametrize("n", [1, 9, 100])
@pytest.mark.parametrize("labels", [["Tee"], ["Dress"], ["Tee", "Dress"]])
@pytest.mark.parametrize("every", [2, 10, 100, 400])
def test_what_is_found_is_among_them_and_complete(product, plans, labels, every, n):
    own(product, view("some", f"number % {every} = 0"), "ANALYZE product")
    query = clustered(60, 1)[5]

    matches, method = similar(product, query, labels=labels, n=n, among="some")

    everyone, exactly = similar(product, query, labels=labels, n=100, among="some", exact=True)
    allowed = {match.id for match in everyone}
    assert exactly == "exact"
    assert len(matches) == min(n, len(everyone))
    assert {match.id % every for match in matches} <= {0}
    if len(everyone) < 100:  # else there are more of them than one answer holds
        assert {match.id for match in matches} <= allowed
    found = {match.id for match in matches} & {match.id for match in everyone[:n]}
    assert len(found) >= 0.97 * len(matches)
    if every == 2 and labels == ["Tee"]:
        assert method == "hnsw"
        assert TEE in plans[0]


def test_among_none_is_nothing(product):
    own(product, view("none", "false"))
    for exact in (False, True):
        assert similar(
            product, clustered(60, 1)[5], labels=["Tee"], n=9, among="none", exact=exact
        ) == ((), "exact")


@pytest.mark.parametrize(
    "name", ["stock", "SOME", "some; --", 'so"me', "", "x" * 51, "untold", "%s"]
)
def test_what_is_not_there_is_refused_with_what_is(product, name):
    own(product, view("some", "true"), "CREATE TABLE among_untold (photo text)")
    for names in (name, f"some,{name}"):
        with pytest.raises(AmongUnknown, match=r"has a column image_path\. Choose among some\.$"):
            similar(product, embedding(1), labels=["Tee"], n=9, among=names)


def test_without_any_the_refusal_says_how_to_make_one(engine):
    with pytest.raises(
        AmongUnknown, match="CREATE VIEW among_in_stock AS SELECT photo AS image_path"
    ):
        similar(engine, embedding(1), labels=["Tee"], n=9, among="in_stock")


@pytest.mark.parametrize("labels", [["Tee"], ["Dress"]])
@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("1 / (number - number) = 1", "division by zero"),
        ("CAST(photo AS int) = 1", "invalid input"),
        ("fetched(number)", "no such file"),
    ],
)
def test_a_view_that_fails_is_one_line(product, labels, condition, said):
    own(
        product,
        """CREATE FUNCTION fetched(number bigint) RETURNS boolean LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'no such file' USING ERRCODE = 'fdw_error'; END $$""",
        view("broken", condition),
    )
    with pytest.raises(AmongUnknown, match=f"^among_broken cannot be searched among: .*{said}"):
        similar(product, embedding(1), labels=labels, n=9, among="broken")
    assert similar(product, embedding(1), labels=labels, n=9)[0]


@pytest.mark.parametrize("labels", [["Tee"], ["Dress"]])
def test_a_materialized_view_that_was_never_filled_is_one_line(product, labels):
    own(
        product,
        """CREATE MATERIALIZED VIEW among_later AS
           SELECT photo AS image_path FROM product WITH NO DATA""",
    )
    with pytest.raises(AmongUnknown, match=r'^among_later .* "among_later" has not been populated'):
        similar(product, embedding(1), labels=labels, n=9, among="later")
    own(product, "REFRESH MATERIALIZED VIEW among_later")
    assert similar(product, embedding(1), labels=labels, n=9, among="later")[0]


def test_one_that_the_service_may_not_read_is_one_line(product):
    own(
        product, view("secret", "true"), "DROP ROLE IF EXISTS visitor", "CREATE ROLE visitor LOGIN",
        "GRANT SELECT ON garment, category, model, projection TO visitor",
    )  # fmt: skip
    url = make_url(product.url).set(username="visitor").render_as_string(hide_password=False)
    visitor = open_engine(url)
    try:
        assert similar(visitor, embedding(1), labels=["Dress"], n=1)[0]
        with pytest.raises(AmongUnknown, match="permission denied for view among_secret"):
            similar(visitor, embedding(1), labels=["Dress"], n=1, among="secret")
    finally:
        visitor.dispose()
        own(product, "DROP OWNED BY visitor", "DROP ROLE visitor")


def test_it_may_lie_in_a_schema_of_the_shops(product):
    own(
        product, "CREATE SCHEMA shop", "ALTER TABLE product SET SCHEMA shop",
        "CREATE VIEW shop.among_some AS SELECT photo AS image_path FROM shop.product WHERE number < 9",
    )  # fmt: skip
    with pytest.raises(AmongUnknown):
        similar(product, embedding(1), labels=["Dress"], n=100, among="some")
    url = make_url(product.url).update_query_dict({"options": "-csearch_path=public,shop"})
    engine = open_engine(url.render_as_string(hide_password=False))
    assert len(similar(engine, embedding(1), labels=["Dress"], n=100, among="some")[0]) == 8
    engine.dispose()


def test_plans_stay_as_they_are_once_prepared_and_when_prices_change(engine, product, plans):
    own(product, view("some", "number % 3 = 0"))
    for number in range(20):
        matches, method = similar(
            engine, clustered(60, 1)[number], labels=["Tee"], n=9, among="some"
        )
        assert (len(matches), method) == (9, "hnsw")
    own(product, "DELETE FROM product WHERE number % 2 = 0")
    matches, _ = similar(engine, clustered(60, 1)[5], labels=["Tee"], n=100, among="some")
    assert len(matches) == 100
    assert {match.id % 6 for match in matches} == {3}


def test_among_several_it_is_those_of_each(product, plans):
    own(product, view("even", "number % 2 = 0"), view("third", "number % 3 = 0"))
    query = clustered(60, 1)[5]
    for among in ("even,third", "third,even,even"):
        matches, _ = similar(product, query, labels=["Tee"], n=9, among=among)
        assert TEE in plans[0]
        assert {match.id % 6 for match in matches} == {0}
        exactly = similar(product, query, labels=["Tee"], n=9, among=among, exact=True)[0]
        assert len(set(matches) & set(exactly)) >= 8


def test_a_label_with_two_indexes_and_none(engine, loader, plans):
    shelved(loader, "Blazer", 1200, seed=5)
    build_indexes(engine, threshold=1000)
    own(engine, "CREATE TABLE among_odd AS SELECT image_path FROM garment WHERE id % 2 = 1")
    matches, method = similar(engine, clustered(60, 5)[5], labels=LABELS, n=100, among="odd")
    assert (len(matches), method) == (100, "hnsw")
    assert {match.id % 2 for match in matches} == {1}


def test_what_the_page_says(engine):
    """docs/shop.md, statement by statement."""
    own(
        engine,
        """CREATE TABLE product AS
           SELECT id AS number, image_path AS photo, 'garment ' || id AS name, id % 3 AS stock,
                  CAST(id % 100 AS numeric) AS price, id % 2 AS branch_id
           FROM garment""",
        "UPDATE product SET photo = 'summer/red-dress.jpg' WHERE number = 7",
        "UPDATE garment SET image_path = 'summer/red-dress.jpg' WHERE id = 7",
        "CREATE TABLE branch AS SELECT 0 AS id, 'Berlin' AS city UNION ALL SELECT 1, 'Paris'",
    )
    blocks = "\n".join(re.findall(r"```sql\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL))
    *views, query = [one for one in blocks.split(";") if one.strip()]
    own(engine, *views, re.search(r"`(CREATE INDEX .+?)`", PAGE.read_text("utf-8"))[1])
    for names, wanted in {
        "in_stock": lambda number: number % 3 > 0,
        "in_stock,under_50": lambda number: number % 3 > 0 and number % 100 < 50,
        "in_stock,under_50,berlin": lambda number: (
            number % 3 and number % 100 < 50 and number % 2 == 0
        ),
    }.items():
        matches, _ = similar(engine, 7, labels=["Tee", "Dress"], n=100, among=names)
        assert len(matches) == 100
        assert all(wanted(match.id) for match in matches)
    with engine.connect() as connection:
        rows = connection.execute(text(query)).all()
    exactly, _ = similar(engine, 7, labels=["Dress"], n=9, among="in_stock", exact=True)
    assert [row.name for row in rows] == [f"garment {match.id}" for match in exactly]
