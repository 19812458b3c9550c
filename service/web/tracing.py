"""OpenTelemetry, where its extra is installed and its environment asks for it."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import Engine

from service import stages
from service.errors import ExtraMissing
from service.settings import tracing_is_wanted


def trace(app: Flask, engine: Engine) -> None:
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
    instrument(app, engine)


def instrument(app: Flask, engine: Engine) -> None:
    """Make spans for the tracer provider in force."""
    from opentelemetry import trace as otel
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    FlaskInstrumentor().instrument_app(app, excluded_urls="healthz,readyz,metrics")
    SQLAlchemyInstrumentor().instrument(engine=engine)
    stages.span = otel.get_tracer("fashion-studio").start_as_current_span
