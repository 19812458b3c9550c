"""More like this, by photo, by garment and by chance."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from service.catalog import Loader, Row
from service.studio import Studio

from .asking import form, require_problem
from .conftest import JPEG

RECOMMENDATION = {
    "query", "matches", "searched_labels", "method", "requested", "returned", "model",
}  # fmt: skip


def test_a_photo_is_answered_from_the_shelf_of_its_label(
    client: FlaskClient, stocked: Studio, rows: list[Row]
) -> None:
    answer = client.post("/api/v1/similar", **form(JPEG))
    assert answer.status_code == 200
    document = answer.get_json()
    assert document.keys() == RECOMMENDATION
    query = document["query"]
    assert next(scored["label"] for scored in query["labels"]) == query["label"]
    assert sum(scored["confidence"] for scored in query["labels"]) == pytest.approx(1, abs=1e-4)
    assert document["searched_labels"] == [query["label"]]
    assert document["requested"] == 9
    assert document["returned"] == len(document["matches"])
    assert document["returned"] == sum(row.label == query["label"] for row in rows)
    assert document["model"] == stocked.card.title


def test_a_catalog_photo_finds_others_and_not_itself(
    client: FlaskClient, stocked: Studio, rows: list[Row]
) -> None:
    data = stocked.images.read(rows[4].image_path)
    document = client.post("/api/v1/similar?label=any&n=3", **form(data)).get_json()
    first = document["matches"][0]
    assert first.keys() == {"id", "image_path", "image_url", "label", "similarity"}
    assert rows[4].image_path not in {match["image_path"] for match in document["matches"]}
    assert document["returned"] == 3


def test_a_garment_never_matches_itself(client: FlaskClient) -> None:
    document = client.get("/api/v1/garments/7/similar?n=100&label=any").get_json()
    assert document["query"]["id"] == 7
    assert document["returned"] == 32
    assert 7 not in [match["id"] for match in document["matches"]]
    similarities = [match["similarity"] for match in document["matches"]]
    assert similarities == sorted(similarities, reverse=True)


def test_a_random_garment_is_named(client: FlaskClient) -> None:
    document = client.get("/api/v1/garments/random/similar?n=2").get_json()
    assert document.keys() == RECOMMENDATION
    assert document["returned"] == 2
    assert document["query"]["image_url"] == f"/api/v1/garments/{document['query']['id']}/image"


@pytest.mark.parametrize("exact", ["true", "false", "1", "0"])
def test_every_parameter_is_read(client: FlaskClient, exact: str) -> None:
    query = f"n=5&label=tee,Dress&min_similarity=-1&exact={exact}"
    document = client.get(f"/api/v1/garments/1/similar?{query}").get_json()
    assert document["searched_labels"] == ["Tee", "Dress"]
    assert document["requested"] == 5
    assert {match["label"] for match in document["matches"]} <= {"Tee", "Dress"}


def test_mass_searches_more_labels(client: FlaskClient) -> None:
    document = client.post("/api/v1/similar?mass=1&n=50", **form(JPEG)).get_json()
    assert len(document["searched_labels"]) > 1


def test_a_high_bar_leaves_nothing(client: FlaskClient) -> None:
    document = client.get("/api/v1/garments/1/similar?min_similarity=1").get_json()
    assert document["returned"] == 0
    assert document["matches"] == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("n=0", "n=0"),
        ("n=101", "n=101"),
        ("n=abc", "n=abc"),
        ("n=", "n="),
        ("mass=0", "mass=0"),
        ("mass=nan", "mass=nan"),
        ("mass=0.5&label=any", "mass"),
        ("min_similarity=1.5", "min_similarity"),
        ("exact=perhaps", "exact=perhaps"),
        ("among=In-Stock", "among=In-Stock cannot be used: it must be of the form of in_stock"),
        ("among=", "among= cannot be used"),
        ("nn=3", "nn is no parameter"),
        ("n=3&n=4", "n stands 2 times"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(
    client: FlaskClient, query: str, named: str
) -> None:
    for answer in (
        client.get(f"/api/v1/garments/1/similar?{query}"),
        client.get(f"/api/v1/garments/random/similar?{query}"),
        client.post(f"/api/v1/similar?{query}", **form(JPEG)),
    ):
        assert named in require_problem(answer, 400, "invalid_parameter")


def test_among_those_of_the_shops_own_view(
    empty: FlaskClient, studio: Studio, rows: list[Row]
) -> None:
    Loader(studio.engine, studio.model_id).write(rows)
    answer = empty.get("/api/v1/garments/7/similar?among=in_stock")
    assert "CREATE VIEW among_in_stock" in require_problem(answer, 400, "among_unknown")
    with studio.engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE product AS SELECT id, image_path AS photo FROM garment")
        )
        connection.execute(
            text("""CREATE VIEW among_in_stock AS
                    SELECT photo AS image_path FROM product WHERE id % 2 = 0""")
        )
    query = "among=in_stock&label=any&n=100"
    for answer, found in (
        (empty.get(f"/api/v1/garments/7/similar?{query}"), 16),
        (empty.get(f"/api/v1/garments/8/similar?{query}"), 15),
        (empty.post(f"/api/v1/similar?{query}", **form(JPEG)), 16),
    ):
        matches = answer.get_json()["matches"]
        assert len(matches) == found
        assert {match["id"] % 2 for match in matches} == {0}
    with studio.engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE among_few AS SELECT image_path FROM garment WHERE id < 9")
        )
    both = empty.get("/api/v1/garments/7/similar?label=any&among=in_stock,few")
    assert sorted(match["id"] for match in both.get_json()["matches"]) == [2, 4, 6, 8]
    answer = empty.get("/api/v1/garments/random/similar?among=in_stock,sold")
    assert "among_sold has a column image_path. Choose among few, in_stock." in require_problem(
        answer, 400, "among_unknown"
    )


@pytest.mark.parametrize("label", ["Trousers", "", "Tee,,", "any,Tee", "%00"])
def test_an_unknown_label_is_answered_with_the_known_ones(client: FlaskClient, label: str) -> None:
    answer = client.get(f"/api/v1/garments/1/similar?label={label}")
    assert "Romper" in require_problem(answer, 400, "label_unknown")


@pytest.mark.parametrize("name", ["999", "0", "-1", "abc", "9" * 30, "%C2%B2", "1.5"])
def test_an_unknown_garment_is_not_found(client: FlaskClient, name: str) -> None:
    for path in ("", "/similar", "/image"):
        answer = client.get(f"/api/v1/garments/{name}{path}")
        require_problem(answer, 404, "garment_not_found")


def test_an_empty_catalog_has_nothing_to_draw_from(empty: FlaskClient) -> None:
    answer = empty.get("/api/v1/garments/random/similar")
    assert "fashion-studio" in require_problem(answer, 404, "catalog_empty")
    require_problem(empty.post("/api/v1/similar", **form(JPEG)), 404, "catalog_empty")
