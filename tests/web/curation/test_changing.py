"""Garments listed, relabelled and removed over HTTP, with their pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from service.catalog import Loader, Row, garments_page
from service.studio import Studio

from ..asking import require_problem
from ..conftest import JPEG
from .conftest import GARMENTS, OTHER, add, pictures


def test_a_label_is_changed_and_its_confidence_with_it(empty: FlaskClient, root: Path) -> None:
    garment = add(empty).get_json()
    said = empty.post("/api/v1/classify", data={"image": (io.BytesIO(JPEG), "a")}).get_json()
    second = said["labels"][1]
    place = f"{GARMENTS}/{garment['id']}"
    answer = empty.patch(place, json={"label": second["label"].upper()})
    changed = answer.get_json()
    assert answer.status_code == 200
    assert (changed["label"], changed["label_source"]) == (second["label"], "given")
    assert changed["confidence"] == pytest.approx(second["confidence"], abs=1e-4)
    assert changed["predicted_label"] == garment["label"]
    assert empty.get(place).get_json() == changed

    confirmed = empty.patch(place, json={"label": second["label"]}).get_json()
    assert confirmed == changed


def test_without_the_picture_the_confidence_is_unknown(empty: FlaskClient, root: Path) -> None:
    garment = add(empty).get_json()
    place = f"{GARMENTS}/{garment['id']}"
    other = "Romper" if garment["label"] != "Romper" else "Tee"
    (root / garment["image_path"]).write_bytes(OTHER)
    assert empty.patch(place, json={"label": other}).get_json()["confidence"] is None
    (root / garment["image_path"]).unlink()
    changed = empty.patch(place, json={"label": garment["label"]}).get_json()
    assert (changed["label"], changed["confidence"]) == (garment["label"], None)
    found = empty.get(f"{place}/similar").get_json()
    assert found["query"]["confidence"] is None


@pytest.mark.parametrize(
    "sent",
    [
        {"data": b"{"},
        {"json": []},
        {"json": {}},
        {"json": {"label": 3}},
        {"json": {"label": None}},
        {"json": {"label": "Tee", "id": 3}},
        {"data": {"label": "Tee"}},
    ],
)
def test_a_change_that_cannot_be_read(client: FlaskClient, sent: dict[str, Any]) -> None:
    require_problem(client.patch(f"{GARMENTS}/1", **sent), 400, "invalid_parameter")


def test_a_change_to_nothing_known(client: FlaskClient) -> None:
    answer = client.patch(f"{GARMENTS}/1", json={"label": "Trousers"})
    assert "Romper" in require_problem(answer, 400, "label_unknown")
    for name in ("0", "999", "abc"):
        answer = client.patch(f"{GARMENTS}/{name}", json={"label": "Tee"})
        require_problem(answer, 404, "garment_not_found")
        require_problem(client.delete(f"{GARMENTS}/{name}"), 404, "garment_not_found")


def test_a_removed_garment_takes_its_own_picture_with_it(
    empty: FlaskClient, studio: Studio, root: Path
) -> None:
    own, placed = add(empty).get_json(), add(empty, image_path="summer/red.jpg").get_json()
    for garment in (own, placed):
        place = f"{GARMENTS}/{garment['id']}"
        answer = empty.delete(place)
        assert (answer.status_code, answer.data) == (204, b"")
        require_problem(empty.get(place), 404, "garment_not_found")
        require_problem(empty.delete(place), 404, "garment_not_found")
    assert pictures(root) == ["summer/red.jpg"]
    assert add(empty, image_path="summer/red.jpg").status_code == 201


@pytest.fixture
def paged(empty: FlaskClient, studio: Studio, rows: list[Row]) -> FlaskClient:
    Loader(studio.engine, studio.model_id).write(rows)
    return empty


def test_pages_show_every_garment_once(paged: FlaskClient, studio: Studio) -> None:
    seen, cursor = [], ""
    for _ in range(4):
        page = paged.get(f"{GARMENTS}?limit=10{cursor}").get_json()
        seen += [garment["id"] for garment in page["garments"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert seen == [garment.id for garment in garments_page(studio.engine, limit=100)[0]]
    assert len(seen) == 33
    assert paged.get(f"{GARMENTS}?cursor=999").get_json() == {"garments": [], "next_cursor": None}


def test_pages_of_a_label(paged: FlaskClient) -> None:
    page = paged.get(f"{GARMENTS}?label=tEE").get_json()
    assert [garment["label"] for garment in page["garments"]] == ["Tee"] * 3


@pytest.mark.parametrize("condition", ["label=sari", "predicted_label=SARI"])
def test_a_category_that_another_model_left_has_pages_too(
    paged: FlaskClient, studio: Studio, condition: str
) -> None:
    with studio.engine.begin() as connection:
        connection.execute(text("INSERT INTO category (name, position) VALUES ('Sari', 99)"))
    answer = paged.get(f"{GARMENTS}?{condition}")
    assert (answer.status_code, answer.get_json()["garments"]) == (200, [])
    page = paged.get(f"/catalog?{condition}")
    assert page.status_code == 200
    assert "No garment is like that" in page.text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "invalid_parameter"),
        ("limit=1001", "invalid_parameter"),
        ("cursor=abc", "invalid_parameter"),
        ("cursor=-1", "invalid_parameter"),
        ("cursor=%C2%B2", "invalid_parameter"),
        ("offset=3", "invalid_parameter"),
        ("label=Trousers", "label_unknown"),
        ("label=Tee&label=Top", "invalid_parameter"),
    ],
)
def test_a_page_that_cannot_be_asked_for(client: FlaskClient, query: str, code: str) -> None:
    require_problem(client.get(f"{GARMENTS}?{query}"), 400, code)
