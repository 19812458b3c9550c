"""The document that the validating code makes of itself."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from .asking import require_problem


@pytest.fixture
def document(client: FlaskClient) -> dict:
    return client.get("/openapi.json").get_json()


def test_every_route_of_the_api_is_described(client: FlaskClient, document: dict) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith("/api/") and method not in ("HEAD", "OPTIONS")
    }
    described = {(path, method) for path in document["paths"] for method in document["paths"][path]}
    assert described == routes
    assert document["openapi"].startswith("3.1")


def test_every_operation_has_a_summary_and_problems_with_codes(document: dict) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            for status, response in operation["responses"].items():
                assert response["description"]
                if int(status) >= 400:
                    (kind,) = response["content"]
                    assert kind == "application/problem+json"
                    for code, example in response["content"][kind]["examples"].items():
                        assert example["value"]["code"] == code
                        assert example["value"]["status"] == int(status)


def test_bounds_are_those_that_hold(document: dict) -> None:
    operation = document["paths"]["/api/v1/similar"]["post"]
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    assert parameters.keys() == {"n", "label", "mass", "min_similarity", "exact", "among"}
    assert parameters["n"]["schema"]["maximum"] == 100
    assert operation["requestBody"]["content"].keys() == {"multipart/form-data"}


def test_the_page_to_try_it_at_fetches_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert (
        page.headers["Content-Security-Policy"]
        == client.get("/").headers["Content-Security-Policy"]
    )
    assert "//" not in page.text.replace("<!doctype", "")
    assert "<style" not in page.text
    assert not re.search(r"<script(?![^>]* src=)", page.text)
    for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(name).status_code == 200, name
    require_problem(client.get("/docs/plugins.py"), 404, "not_found")
    require_problem(client.get("/docs/..%2fplugins.py"), 404, "not_found")
