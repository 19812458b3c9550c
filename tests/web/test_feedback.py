"""Verdicts on matches over HTTP."""

from __future__ import annotations

import hashlib

import pytest
from flask.testing import FlaskClient

from service.catalog import Loader, Row
from service.studio import Studio

from .asking import form, require_problem
from .conftest import JPEG

FEEDBACK = "/api/v1/feedback"


@pytest.fixture
def asked(empty: FlaskClient, studio: Studio, rows: list[Row]) -> FlaskClient:
    """A client of a catalog of the test's own, with 33 garments."""
    Loader(studio.engine, studio.model_id).write(rows)
    return empty


def test_a_match_of_a_photo_and_of_a_garment_is_judged(asked: FlaskClient) -> None:
    answer = asked.post("/api/v1/similar?label=any", **form(JPEG)).get_json()
    digest = answer["query"]["sha256"]
    assert digest == hashlib.sha256(JPEG).hexdigest()
    match = answer["matches"][0]["id"]
    first = asked.post(
        FEEDBACK, json={"query": {"sha256": digest}, "match_id": match, "verdict": "good"}
    )
    assert first.status_code == 201
    kept = first.get_json()
    assert (kept["query_id"], kept["query_sha256"], kept["match_id"]) == (None, digest, match)
    near = asked.get("/api/v1/garments/3/similar?n=1").get_json()
    assert near["query"].get("sha256") is None
    body = {"query": {"garment_id": 3}, "match_id": near["matches"][0]["id"], "verdict": "bad"}
    second = asked.post(FEEDBACK, json=body).get_json()
    listed = asked.get(FEEDBACK).get_json()["feedback"]
    assert listed == [second, kept]
    assert asked.get(f"{FEEDBACK}?limit=1&before={second['id']}").get_json()["feedback"] == [kept]
    assert asked.delete(f"{FEEDBACK}/{kept['id']}").status_code == 204
    require_problem(asked.delete(f"{FEEDBACK}/{kept['id']}"), 404, "feedback_not_found")
    assert asked.get(FEEDBACK).get_json()["feedback"] == [second]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": {"garment_id": 1}, "match_id": 1, "verdict": "good"}, 409, "feedback_of_itself"),
        ({"query": {"garment_id": 1}, "match_id": 999, "verdict": "bad"}, 404, "garment_not_found"),
        ({"query": {"garment_id": 999}, "match_id": 1, "verdict": "bad"}, 404, "garment_not_found"),
        ({"query": {"garment_id": 1}, "match_id": 2, "verdict": "meh"}, 400, "invalid_parameter"),
        ({"query": {"sha256": "ab"}, "match_id": 2, "verdict": "bad"}, 400, "invalid_parameter"),
        ({"query": {}, "match_id": 2, "verdict": "bad"}, 400, "invalid_parameter"),
        ({"match_id": 2, "verdict": "bad"}, 400, "invalid_parameter"),
        (
            {"query": {"garment_id": 1, "sha256": "ab" * 32}, "match_id": 2, "verdict": "bad"},
            400,
            "invalid_parameter",
        ),
    ],
)
def test_what_is_no_verdict_is_refused(
    client: FlaskClient, body: dict, status: int, code: str
) -> None:
    require_problem(client.post(FEEDBACK, json=body), status, code)
    assert client.get(FEEDBACK).get_json() == {"feedback": []}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "query.garment_id is missing."),
        ({"sha256": "AB" * 32}, "query.sha256=ABAB"),
        ({"garment_id": 1, "sha256": "ab" * 32}, "query.garment_id is no parameter here."),
        ({"garment_id": True}, "query.garment_id cannot be used: it must be a number."),
        ({"garment_id": "1"}, "query.garment_id=1 cannot be used"),
        ("3", "query=3 cannot be used"),
    ],
)
def test_what_is_wrong_is_told_of_the_field_that_is_meant(
    client: FlaskClient, query: object, words: str
) -> None:
    body = {"query": query, "match_id": 2, "verdict": "bad"}
    assert words in require_problem(client.post(FEEDBACK, json=body), 400, "invalid_parameter")


@pytest.mark.parametrize(
    "body",
    [
        '{"query": {"garment_id": 1}, "match_id": 2, "verdict": "bad", "verdict": "good"}',
        '{"query": {"garment_id": 1, "garment_id": 3}, "match_id": 2, "verdict": "bad"}',
    ],
)
def test_a_field_that_stands_twice_is_refused(client: FlaskClient, body: str) -> None:
    answer = client.post(FEEDBACK, data=body, content_type="application/json")
    assert "stands 2 times; give it once" in require_problem(answer, 400, "invalid_parameter")


def test_feedback_of_no_id_is_not_found(client: FlaskClient) -> None:
    require_problem(client.delete(f"{FEEDBACK}/x"), 404, "feedback_not_found")
