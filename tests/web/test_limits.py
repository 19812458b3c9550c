"""How much of a request is taken in: bytes, parts, fields, depth."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.errors import RateLimited
from service.web.rates import Rates

from .asking import form, require_problem
from .conftest import JPEG

FORMS = {"/api/v1/similar": "image", "/api/v1/garments": "image", "/api/v1/sets": "images"}


def photo(name: str = "a.jpg") -> tuple[io.BytesIO, str]:
    return io.BytesIO(JPEG), name


@pytest.mark.parametrize(("path", "field"), FORMS.items())
def test_a_form_of_many_parts_is_not_taken_apart(
    client: FlaskClient, path: str, field: str
) -> None:
    data: dict[str, Any] = {f"x{number}": "" for number in range(600)} | {field: photo()}
    require_problem(client.post(path, data=data), 413, "image_too_large")


@pytest.mark.parametrize(("path", "field"), FORMS.items())
def test_a_field_of_much_text_is_not_kept(client: FlaskClient, path: str, field: str) -> None:
    data = {"label": "x" * 200_000, field: photo()}
    require_problem(client.post(path, data=data), 413, "image_too_large")


def test_a_field_that_is_not_known_is_named(client: FlaskClient) -> None:
    for path, field in FORMS.items():
        answer = client.post(path, data={field: photo(), "colour": "red"})
        assert "colour" in require_problem(answer, 400, "invalid_parameter")


@pytest.mark.parametrize(
    ("path", "field"),
    [("/api/v1/similar", "image"), ("/api/v1/classify", "image"), ("/api/v1/sets", "images")],
)
def test_a_field_where_no_file_was_chosen_is_none(
    client: FlaskClient, path: str, field: str
) -> None:
    """As a browser sends `<input type=file name=label>` that nobody touched."""
    answer = client.post(path, data={field: photo(), "label": (io.BytesIO(b""), "")})
    assert answer.status_code < 300, answer.text
    both = client.post(path, data={field: [photo(), "text"]})
    assert f"{field} stands twice" in require_problem(both, 400, "invalid_parameter")


def test_one_photo_is_asked_about_at_a_time(client: FlaskClient) -> None:
    answer = client.post("/api/v1/similar", **form(JPEG, JPEG))
    assert "image stands 2 times" in require_problem(answer, 400, "invalid_parameter")


@pytest.mark.parametrize("path", ["/api/v1/garments/1", "/session"])
def test_halves_of_characters(client: FlaskClient, path: str) -> None:
    method = "POST" if path == "/session" else "PATCH"
    for field in ("label", "key"):
        for body in (f'{{"{field}": "\\ud800"}}', '{"\\ud800": 1}'):
            answer = client.open(path, method=method, data=body, content_type="application/json")
            require_problem(answer, 400, "invalid_parameter")


@pytest.mark.parametrize("path", ["/api/v1/garments/1", "/session"])
def test_json_of_any_size_and_depth(client: FlaskClient, path: str) -> None:
    method = "POST" if path == "/session" else "PATCH"
    for body, status in ((b'{"a":' * 10_000, 400), (b"[" * 60_000, 400), (b" " * 70_000, 413)):
        answer = client.open(path, method=method, data=body, content_type="application/json")
        require_problem(answer, status, "invalid_parameter" if status == 400 else "body_too_large")
    answer = client.open(path, method=method, data=b'{"a": NaN}', content_type="application/json")
    require_problem(answer, 400, "invalid_parameter")


def test_a_clock_that_jumps_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    rates = Rates("5/minute")
    for _ in range(5):
        rates.count("a")
    with pytest.raises(RateLimited) as refused:
        rates.count("a")
    assert 1 <= refused.value.retry_after <= 120
    for jump in (-3600, 7200, -86_400, 400 * 86_400):
        now += jump
        rates.count("a")
        assert len([*counted(rates, 10)]) <= 4


def counted(rates: Rates, requests: int) -> Iterator[None]:
    for _ in range(requests):
        with suppress(RateLimited):
            yield rates.count("a")
