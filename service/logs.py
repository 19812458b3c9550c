"""Logs of servers and workers on stderr: a line of text or of JSON for each event.

Everything goes through the standard library's logging, so that the lines of gunicorn, procrastinate
and SQLAlchemy look the same. What is bound with `structlog.contextvars`, such as a request's id, is on
every line that is logged meanwhile.
"""

from __future__ import annotations

import logging
import sys

import structlog

from service.settings import Settings

CHATTY = ("procrastinate", "psycopg.pool", "werkzeug", "alembic")  # their own "info" is our "debug"

SHARED: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def set_up_logs(settings: Settings) -> None:
    """Once a process, before it works."""
    as_json: list[structlog.types.Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    as_text: list[structlog.types.Processor] = [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(as_json if settings.log_format == "json" else as_text),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def structured(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events carry fields: `log.info("request", status=200)`."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger
