"""docs/http.md says what the OpenAPI document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

REFERENCE = (Path(__file__).parents[2] / "docs/http.md").read_text(encoding="utf-8")
CALL = re.compile(r"^\| `([A-Z]+) (/api/v1/\S+)` \| (\w+) \|.*\| (.*) \|$", re.MULTILINE)
CODE = re.compile(r"^\| `(\w+)` \| (\d{3}) \|", re.MULTILINE)
IMAGES = "`image_missing`, `image_undecodable`, `image_type_unsupported`, `image_too_large`"


@pytest.fixture
def operations(client: FlaskClient) -> dict[tuple[str, str], dict[str, int]]:
    """(method, path) of every operation: its codes and their statuses."""
    paths = client.get("/openapi.json").get_json()["paths"]
    return {
        (method.upper(), path): {
            code: int(status)
            for status, response in operation["responses"].items()
            for content in response.get("content", {}).values()
            for code in content.get("examples", {})
        }
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


def test_every_call_is_in_the_reference_and_no_other(operations: dict) -> None:
    assert {(method, path) for method, path, *_ in CALL.findall(REFERENCE)} == set(operations)


def test_every_code_is_in_the_reference_with_its_status(operations: dict) -> None:
    known = {code: status for codes in operations.values() for code, status in codes.items()}
    assert {code: int(status) for code, status in CODE.findall(REFERENCE)} == known


def test_every_call_names_the_codes_of_its_own(operations: dict) -> None:
    always = set.intersection(*(set(codes) for codes in operations.values()))
    for method, path, _, refusals in CALL.findall(REFERENCE):
        said = set(re.findall(r"`(\w+)`", refusals.replace("image errors", IMAGES)))
        assert said == set(operations[method, path]) - always, f"{method} {path}"


def test_every_scope_is_right(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    for method, path, scope, _ in CALL.findall(REFERENCE):
        assert paths[path][method.lower()]["security"] == [{"key": [scope]}], f"{method} {path}"
