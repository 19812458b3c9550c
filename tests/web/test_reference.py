"""docs/http.md says what the OpenAPI document says, and docs/operations.md what /metrics tells."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from ..docs.pages import page

REFERENCE = page("docs/http.md")
OPERATIONS = page("docs/operations.md")
METRIC = re.compile(r"^\| (`fashion_studio_.*?`) \| (.*?) ?\|", re.MULTILINE)
CALL = re.compile(r"^\| `([A-Z]+) (/api/v1/\S+)` \| (\w+) \|.*\| (.*) \|$", re.MULTILINE)
CODE = re.compile(r"^\| `(\w+)` \| (\d{3}) \|", re.MULTILINE)
IMAGES = (
    "`image_missing`, `image_undecodable`, `image_type_unsupported`, `image_too_large`, "
    "`storage_full`"
)


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


def test_every_path_beside_the_calls_is_in_the_reference(client: FlaskClient) -> None:
    rules = {rule.rule.partition("<")[0] for rule in client.application.url_map.iter_rules()}
    others = {rule for rule in rules if not rule.startswith(("/api/v1", "/static"))}
    assert {"/healthz", "/session"} <= others
    named = set(re.findall(r"[` ](/[a-z.]*/?)(?:[A-Z]+)?`", REFERENCE))
    assert others - named - {"/docs/"} == set()  # below /docs lies what that page is made of


def test_every_metric_is_in_the_reference_with_its_labels_and_no_other(client: FlaskClient) -> None:
    client.get("/api/v1/garments/1/similar")
    text = client.get("/metrics").text
    named = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    names = {name for name in named if not name.endswith("_created")}  # when counting began
    listed = {
        name: set(re.findall(r"\w+", labels.partition(":")[0]))
        for names, labels in METRIC.findall(OPERATIONS)
        for name in re.findall(r"`(\w+)`", names)
    }
    assert set(listed) == names
    samples = re.findall(r"^(\w+?)(?:_bucket|_sum|_count)?{(.*)} ", text, re.MULTILINE)
    asked = [(name, labels) for name, labels in samples if not name.endswith("_created")]
    assert len({name for name, _ in asked}) > 4
    for name, labels in asked:
        assert set(re.findall(r'(\w+)="', labels)) - {"le"} == listed[name], name
