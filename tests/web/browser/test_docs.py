"""The page to try the API at: operations are opened, filled in and executed, by the packaged script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from .visitor import Visitor


def operation(page: Page, name: str) -> Locator:
    """An operation, opened for trying."""
    method, path = name.split()
    block = page.locator(f".opblock-{method.lower()}").filter(
        has=page.locator(f'[data-path="{path}"]')
    )
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    return block


def execute(block: Locator) -> tuple[int, Any]:
    """Status and JSON of the answer that the page shows."""
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response")
    status = answer.locator(".response-col_status").inner_text()
    body = answer.locator(".highlight-code pre").first
    expect(body).to_contain_text("}")
    return int(status.split()[0]), json.loads(body.inner_text())


def test_operations_are_tried_with_a_number_and_with_a_photo(visitor: Visitor, drawn: Path) -> None:
    page = visitor.open("/docs")
    block = operation(page, "GET /api/v1/garments/{garment_id}")
    block.locator("input").fill("4")
    status, garment = execute(block)
    assert (status, garment["id"]) == (200, 4)
    block = operation(page, "POST /api/v1/similar")
    block.locator("input[type=file]").set_input_files(drawn / garment["image_path"])
    status, answer = execute(block)
    assert status == 200
    assert answer["query"]["label"] == garment["predicted_label"]
    assert len(answer["matches"]) == answer["returned"] > 0
    visitor.forgiven.append("status of 404")
    block = operation(page, "DELETE /api/v1/garments/{garment_id}")
    block.locator("input").fill("4000")
    status, problem = execute(block)
    assert (status, problem["code"]) == (404, "garment_not_found")
