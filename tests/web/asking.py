"""What the web tests say often."""

from __future__ import annotations

import io
from typing import Any

from werkzeug.test import TestResponse

PROBLEM = {"type", "title", "status", "detail", "code"}


def form(*images: bytes, field: str = "image", name: str = "photo.jpg") -> dict[str, Any]:
    """A multipart body as the test client takes it."""
    return {
        "data": {field: [(io.BytesIO(data), name) for data in images]},
        "content_type": "multipart/form-data",
    }


def require_problem(answer: TestResponse, status: int, code: str) -> str:
    """The answer is this problem and nothing else; returns its detail."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    document = answer.get_json()
    assert document.keys() >= PROBLEM
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"/problems/{code}"
    assert "Traceback" not in answer.text
    assert "<" not in answer.text
    return document["detail"]
