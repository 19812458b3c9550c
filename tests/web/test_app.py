"""What holds for every answer: problems, headers, probes, and the page."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolExhausted

from service.catalog import migrate, open_engine
from service.catalog.schema import revision
from service.domain import Scope
from service.images import FolderImages
from service.keys import create_key
from service.studio import Studio
from service.web.app import create_app
from service.web.context import EXTENSION

from .asking import form, require_problem
from .conftest import JPEG, warm

NOWHERE = "postgresql+psycopg://127.0.0.1:9/none"
HIDDEN = "1 not told here: `fashion-studio doctor` shows it, and so does this with a key for admin."


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/similar", 404, "not_found"),
        ("GET", "//api/v1/classify", 404, "not_found"),
        ("GET", "/api/v1/sets/", 404, "not_found"),
        ("GET", "/static/nothing.css", 404, "not_found"),
        ("GET", "/problems/nothing", 404, "not_found"),
        ("GET", "/api/v1/similar", 405, "method_not_allowed"),
        ("PUT", "/api/v1/classify", 405, "method_not_allowed"),
        ("GET", "/api/v1/sets", 405, "method_not_allowed"),
        ("POST", "/api/v1/garments/1/similar", 405, "method_not_allowed"),
        ("GET", "/api/v1/garments/1?x=1", 400, "invalid_parameter"),
    ],
)
def test_the_frameworks_errors_are_problems(
    client: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.open(path, method=method)
    require_problem(answer, status, code)
    if status == 405:
        assert answer.headers["Allow"]


def test_a_fault_of_ours_tells_nothing(
    client: FlaskClient, stocked: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(stocked.model, "predict", fail)
    answer = client.post("/api/v1/classify", **form(JPEG))
    assert "secret" not in require_problem(answer, 500, "internal_error")


def test_too_many_requests_for_the_database(
    client: FlaskClient, stocked: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: object) -> None:
        raise PoolExhausted()

    monkeypatch.setattr(stocked.model, "predict", fail)
    answer = client.post("/api/v1/classify", **form(JPEG))
    require_problem(answer, 503, "overloaded")
    assert answer.headers["Retry-After"]


def test_pages_take_room_as_calls_do(client: FlaskClient) -> None:
    admission = client.application.extensions[EXTENSION].admission
    with ExitStack() as full:
        for _ in range(admission.most):
            full.enter_context(admission.admitted())
        page = client.get("/catalog")
        assert (page.status_code, page.headers["Retry-After"]) == (503, "1")
        assert "Try again" in page.text
    assert client.get("/catalog").status_code == 200
    assert admission._inside == 0


def test_nothing_is_of_no_type(client: FlaskClient) -> None:
    place = client.post("/api/v1/sets", **form(JPEG, field="images")).headers["Location"]
    for answer in (client.options("/api/v1/classify"), client.delete(place)):
        assert answer.data == b""
        assert "Content-Type" not in answer.headers
    assert client.head("/api/v1/garments/1").content_type == "application/json"


def test_a_problems_type_says_what_it_means(client: FlaskClient) -> None:
    document = client.get("/problems/label_unknown").get_json()
    assert document["status"] == 400
    assert document["description"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/api/v1/classify")])
def test_the_type_of_the_frameworks_problems_is_there_too(
    client: FlaskClient, method: str, path: str
) -> None:
    said = client.open(path, method=method).get_json()
    document = client.get(said["type"]).get_json()
    assert (document["status"], document["title"]) == (said["status"], said["title"])
    assert document["description"] == said["detail"]
    assert document["type"] == said["type"]


@pytest.mark.parametrize("path", ["/", "/api/v1/nothing", "/healthz", "/static/studio.css"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Cache-Control" in headers


def test_alive_and_ready(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"status": "ready", "warnings": []}


def test_not_ready_before_the_network_has_inferred(studio: Studio) -> None:
    client = create_app(studio).test_client()
    answer = client.get("/readyz")
    require_problem(answer, 503, "not_ready")
    assert answer.get_json()["missing"] == ["network"]
    assert client.post("/api/v1/classify", **form(JPEG)).status_code == 200
    assert client.get("/readyz").status_code == 200


def test_ready_while_the_next_version_migrates(
    empty: FlaskClient, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = shutil.copytree(revision.migrations_folder(), tmp_path / "migrations")
    (newer / "versions" / "9999_next.py").touch()  # laid there by the upgrade, before it migrates
    monkeypatch.setattr(revision, "migrations_folder", lambda: newer)
    assert empty.get("/readyz").get_json() == {"status": "ready", "warnings": []}
    with studio.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    answer = empty.get("/readyz")
    assert answer.status_code == 200
    (warning,) = answer.get_json()["warnings"]
    assert "9999" in warning


def test_not_ready_at_another_schema(empty: FlaskClient, studio: Studio) -> None:
    migrate(studio.engine, "base")
    answer = empty.get("/readyz")
    assert "migrate" in require_problem(answer, 503, "schema_outdated")
    assert answer.get_json()["missing"] == ["schema"]


def test_without_a_database(
    empty: FlaskClient, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    kept, studio.engine = studio.engine, open_engine(NOWHERE)
    try:
        assert empty.get("/healthz").status_code == 200
        answer = empty.get("/readyz")
        assert "127.0.0.1" not in require_problem(answer, 503, "database_unavailable")
        assert answer.get_json()["missing"] == ["database"]
        assert "127.0.0.1" in caplog.records[-1].getMessage()  # for whoever runs it
        empty.get("/readyz")
        assert sum("127.0.0.1" in record.getMessage() for record in caplog.records) == 1
        assert answer.headers["Retry-After"]
        for path in ("/api/v1/garments/1", "/api/v1/garments/random/similar", "/api/v1/sets/1"):
            detail = require_problem(empty.get(path), 503, "database_unavailable")
            assert "127.0.0.1" not in detail
        answer = empty.post("/api/v1/sets", **form(JPEG, field="images"))
        require_problem(answer, 503, "database_unavailable")
        for path in ("/", "/catalog"):
            page = empty.get(path).text
            assert "does not answer" in page
            assert "127.0.0.1" not in page
        answer = empty.get("/catalog")
        assert answer.status_code == 503
        assert answer.content_type == "text/html; charset=utf-8"
        assert answer.headers["Retry-After"]
        assert "127.0.0.1" in caplog.records[-1].getMessage()  # for whoever runs it
    finally:
        studio.engine = kept


def test_a_fault_is_logged_again_once_it_was_gone(
    empty: FlaskClient, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    kept, nowhere = studio.engine, open_engine(NOWHERE)
    try:
        for studio.engine in (nowhere, nowhere, kept, nowhere):
            empty.get("/readyz")
    finally:
        studio.engine = kept
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 2
    assert all("127.0.0.1:9" in line for line in said)


@pytest.mark.parametrize(
    ("scope", "whole"), [(None, False), ("read", False), ("write", False), ("admin", True)]
)
def test_where_keys_are_needed_warnings_are_for_those_who_run_it(
    studio: Studio, tmp_path: Path, scope: Scope | None, whole: bool
) -> None:
    warnings = warned(studio, tmp_path, {})
    assert str(tmp_path) in warnings[0]  # no key was made, and this machine asks
    secret, _ = create_key(studio.engine, "probe", [scope or "admin"])
    given = secret if scope is not None else "fs_wrong"
    assert warned(studio, tmp_path, {"Authorization": f"Bearer {given}"}) == (
        warnings if whole else [HIDDEN]
    )
    assert warned(studio, tmp_path, {}) == [HIDDEN]


def test_warnings_are_not_for_others(studio: Studio, tmp_path: Path) -> None:
    assert warned(studio, tmp_path, {"Host": "shop.example"}) == [HIDDEN]
    studio.settings = studio.settings.model_copy(update={"access": "open"})
    assert str(tmp_path) in warned(studio, tmp_path, {"Host": "shop.example"})[0]


def warned(studio: Studio, folder: Path, headers: dict[str, str]) -> list[str]:
    """What /readyz warns of where the image root is gone."""
    root = folder / "photos"
    root.mkdir()
    studio.images = FolderImages(str(root))
    root.rmdir()
    answer = warm(studio).get("/readyz", headers=headers)
    assert answer.status_code == 200
    return answer.get_json()["warnings"]


def test_the_page_of_an_empty_catalog_says_how_to_fill_it(empty: FlaskClient) -> None:
    page = empty.get("/")
    assert page.content_type == "text/html; charset=utf-8"
    assert "fashion-studio ingest" in page.text


def test_the_page_shows_garments_and_fetches_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/").text
    assert page.count('class="card"') == 12
    assert "https://" not in page
    assert "<style" not in page
    assert " style=" not in page
    for name in re.findall(r'"/static/([^"#]+)', page):
        assert client.get(f"/static/{name}").status_code == 200
