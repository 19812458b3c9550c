"""What is to be seen from outside: ids, log lines, numbers, traces, warnings."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator

import psycopg
import pytest
from flask.testing import FlaskClient
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, event
from sqlalchemy.exc import TimeoutError as PoolExhausted

from service import stages
from service.catalog import cancel_import, keep_recall, migrate, queue_import
from service.errors import SettingsInvalid
from service.keys import create_key
from service.logs import set_up_logs
from service.settings import Settings, load_settings
from service.studio import Studio
from service.web.app import create_app
from service.web.tracing import instrument

from .asking import form, require_problem
from .conftest import JPEG, warm


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, a line of JSON for each event."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr("sys.stderr", io.StringIO())
    set_up_logs(Settings(log_format="json", log_level="debug"))
    yield sys.stderr  # type: ignore[misc]
    root.handlers, root.level = handlers, level


def requests(log: io.StringIO) -> list[dict]:
    events = [json.loads(line) for line in log.getvalue().splitlines()]
    return [event for event in events if event["event"] == "request"]


def test_a_request_is_one_line_with_its_id_path_and_stages(
    client: FlaskClient, log: io.StringIO
) -> None:
    answer = client.post("/api/v1/similar?n=1", **form(JPEG), headers={"X-Request-ID": "shop-7"})
    assert answer.headers["X-Request-ID"] == "shop-7"
    (line,) = requests(log)
    assert line["request_id"] == "shop-7"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/v1/similar", 200)
    assert line["level"] == "info"
    assert 0 < line["decode_ms"] + line["model_ms"] + line["sql_ms"] <= line["ms"] + 1


def test_a_refusal_has_its_code_in_the_log(client: FlaskClient, log: io.StringIO) -> None:
    client.get("/api/v1/garments/99999999")
    (line,) = requests(log)
    assert (line["status"], line["code"]) == (404, "garment_not_found")
    assert line["path"] == "/api/v1/garments/<garment_id>"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "é", "<script>"])
def test_an_id_that_is_trouble_in_a_log_is_replaced(client: FlaskClient, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given.encode().decode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_metrics_tell_requests_stages_sizes_and_jobs(client: FlaskClient) -> None:
    before = client.get("/metrics").text
    client.post("/api/v1/classify", **form(JPEG))
    client.get("/api/v1/nothing")
    text = client.get("/metrics").text
    path = 'method="POST",path="/api/v1/classify",status="200"'
    count = f"request_seconds_count{{{path}}}"
    had = number(before, count) if count in before else 0
    assert number(text, count) == 1 + had
    assert number(text, 'request_seconds_count{method="GET",path="unmatched",status="404"}') >= 1
    for stage in ("decode", "model"):
        assert number(text, f'stage_seconds_count{{stage="{stage}"}}') >= 1
    assert number(text, "database_up") == 1
    assert number(text, 'garments{label="Dress"}') == 3
    assert number(text, 'jobs{state="todo"}') == 0
    assert number(text, "in_flight") == 0
    assert number(text, "connections_in_use") == 0


def test_connections_that_cannot_be_made_are_not_in_use(studio: Studio, empty: FlaskClient) -> None:
    away = threading.Event()

    @event.listens_for(studio.engine, "do_connect")
    def connect(*_: object) -> None:
        if away.is_set():
            raise psycopg.OperationalError("connection refused")

    assert empty.get("/api/v1/garments").status_code == 200
    before = number(empty.get("/metrics").text, "connections_in_use")
    away.set()
    studio.engine.pool.dispose()
    for _ in range(5):
        assert empty.get("/api/v1/garments").status_code == 503
    away.clear()
    assert empty.get("/api/v1/garments").status_code == 200
    assert number(empty.get("/metrics").text, "connections_in_use") == before


def test_metrics_are_told_at_another_schema(studio: Studio, empty: FlaskClient) -> None:
    migrate(studio.engine, "0002")
    answer = empty.get("/metrics")
    assert answer.status_code == 200
    assert number(answer.text, "database_up") == 0
    assert "fashion_studio_garments{" not in answer.text


def test_counters_and_nothing_else_are_called_total(client: FlaskClient) -> None:
    described = re.findall(r"^# TYPE (\w+) (\w+)$", client.get("/metrics").text, re.MULTILINE)
    assert ("fashion_studio_refused_total", "counter") in described
    for name, kind in described:
        assert name.endswith("_total") == (kind == "counter"), name


def test_metrics_are_told_where_no_connection_is_free(
    studio: Studio, empty: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def shelves(engine: Engine) -> None:
        asked.append(engine)
        raise PoolExhausted()

    monkeypatch.setattr("service.web.metrics.shelves", shelves)
    for _ in range(2):  # and the pool is not waited for each time
        answer = empty.get("/metrics")
        assert answer.status_code == 200
        assert "fashion_studio_database_up 0.0" in answer.text
        assert number(answer.text, "in_flight_limit") == studio.settings.max_in_flight
    assert asked == [studio.engine]


def test_metrics_tell_recall_as_it_was_last_measured(studio: Studio, empty: FlaskClient) -> None:
    assert "index_recall{" not in empty.get("/metrics").text
    keep_recall(studio.engine, "Tee")
    text = create_app(studio).test_client().get("/metrics").text
    assert number(text, 'index_recall{label="Tee"}') == 1
    assert number(text, 'index_recall_measured_timestamp_seconds{label="Tee"}') > 1.7e9


def number(text: str, name: str) -> float:
    found = re.search(rf"^fashion_studio_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not told"
    return float(found[1])


def test_ready_warns_of_jobs_that_nobody_does(studio: Studio, empty: FlaskClient) -> None:
    from service.jobs.tasks import import_photos

    assert empty.get("/readyz").get_json()["warnings"] == []
    run = queue_import(
        studio.engine,
        source="/photos",
        labels="given",
        enqueue=lambda connection, run_id: import_photos.configure(connection=connection).defer(
            run_id=run_id
        ),
    )
    (warning,) = empty.get("/readyz").get_json()["warnings"]
    assert "fashion-studio worker" in warning
    assert cancel_import(studio.engine, run.id).state == "cancelled"


def test_beyond_the_rate_a_client_waits(studio: Studio) -> None:
    studio.settings = studio.settings.model_copy(update={"rate_limit": "2/minute"})
    client = warm(studio)
    assert [client.get("/api/v1/garments/1").status_code for _ in range(2)] == [404, 404]
    answer = client.get("/api/v1/garments/1")
    require_problem(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 120
    assert client.get("/healthz").status_code == 200
    page = client.get("/")
    assert (page.status_code, page.content_type) == (429, "text/html; charset=utf-8")
    assert page.headers["Retry-After"]
    other = client.get("/api/v1/garments/1", environ_base={"REMOTE_ADDR": "127.0.0.2"})
    assert other.status_code == 404


def test_guesses_at_keys_are_counted_too(studio: Studio) -> None:
    studio.settings = studio.settings.model_copy(update={"rate_limit": "3/minute"})
    secret, _ = create_key(studio.engine, "shop", ["read"])
    client = warm(studio)
    wrong = {"Authorization": "Bearer fs_wrong"}
    require_problem(client.get("/api/v1/garments/1", headers=wrong), 401, "unauthorized")
    require_problem(client.get("/api/v1/garments/1"), 401, "unauthorized")
    require_problem(client.post("/session", json={"key": "fs_wrong"}), 401, "unauthorized")
    for answer in (
        client.get("/api/v1/garments/1", headers=wrong),
        client.get("/api/v1/garments/1"),
        client.post("/session", json={"key": secret}),
    ):
        require_problem(answer, 429, "rate_limited")
    right = {"Authorization": f"Bearer {secret}"}  # from the same address, and not held up
    require_problem(client.get("/api/v1/garments/1", headers=right), 404, "garment_not_found")


@pytest.mark.parametrize(
    "rate", ["many", "5", "5/fortnight", "600/minute;10/second", "5/minute, 1/second"]
)
def test_a_rate_that_is_none_is_refused(rate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_STUDIO_RATE_LIMIT", rate)
    with pytest.raises(SettingsInvalid, match="FASHION_STUDIO_RATE_LIMIT"):
        load_settings()


def test_spans_cover_the_request_its_stages_and_its_statements(
    stocked: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    app = create_app(stocked)
    span = stages.span
    monkeypatch.setenv("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "labels")
    instrument(app, stocked.engines)
    try:
        client = app.test_client()
        answer = client.post("/api/v1/similar?n=1", **form(JPEG))
        for address in ("/api/v1/garments?q=metrics", "/readyz", "/healthz", "/api/v1/labels"):
            client.get(address)
    finally:
        stages.span = span
    assert answer.status_code == 200
    spans = exporter.get_finished_spans()
    names = {span.name for span in spans}
    assert {"POST /api/v1/similar", "GET /api/v1/garments", "decode", "model"} <= names
    assert not names & {"GET /readyz", "GET /healthz", "GET /api/v1/labels"}
    (search,) = [span for span in spans if "<=>" in str(span.attributes)]
    assert search.attributes["db.system.name"] == "postgresql"
    assert "-0." not in search.attributes["db.query.text"]  # the statement, not its values
    # beside the request, a thread looks which model serves
    (request,) = [span for span in spans if span.name == "POST /api/v1/similar"]
    of_it = {span.name for span in spans if span.context.trace_id == request.context.trace_id}
    assert {"POST /api/v1/similar", "decode", "model", search.name} <= of_it
