"""OpenTelemetry, where its extra is installed and its environment asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from service import stages
from service.errors import ExtraMissing
from service.settings import tracing_is_wanted, untraced

PROBES = r"^https?://[^/]+/(healthz|readyz|metrics)(\?|$)"  # searched for in a whole address


def trace(app: Flask, engines: Sequence[Engine]) -> None:
    """Spans of requests, their stages and their statements, exported as OTEL_… variables say.

    Raises `ExtraMissing` where they are set but the extra `otel` is not installed.
    """
    if not tracing_is_wanted():
        return
    try:
        from opentelemetry import trace as otel
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ExtraMissing(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. "
            "Install it with: pip install 'fashion-studio[otel]'."
        ) from None
    # The environment's own attributes win over this name
    provider = TracerProvider(resource=Resource.create({"service.name": "fashion-studio"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    otel.set_tracer_provider(provider)
    instrument(app, engines)


def instrument(app: Flask, engines: Sequence[Engine]) -> None:
    """Make spans for the tracer provider in force."""
    from opentelemetry import trace as otel
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    tracer = otel.get_tracer("fashion-studio")
    # An argument replaces what the environment says
    excluded = ",".join(filter(None, [PROBES, untraced()]))
    FlaskInstrumentor().instrument_app(app, excluded_urls=excluded)
    stages.span = tracer.start_as_current_span

    def begin(_connection, _cursor, statement, _parameters, context, _many) -> None:  # type: ignore[no-untyped-def]
        attributes = {"db.system.name": "postgresql", "db.query.text": statement.strip()}
        context.otel = tracer.start_span("sql", kind=otel.SpanKind.CLIENT, attributes=attributes)

    def end(_connection, _cursor, _statement, _parameters, context, _many) -> None:  # type: ignore[no-untyped-def]
        context.otel.end()

    def fail(context: ExceptionContext) -> None:
        found = getattr(context.execution_context, "otel", None)
        if found is not None:
            found.record_exception(context.original_exception)
            found.set_status(otel.StatusCode.ERROR)
            found.end()

    # OpenTelemetry's own instrumentation of SQLAlchemy ends before 2.1
    for engine in engines:
        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
        event.listen(engine, "handle_error", fail, insert=True)
