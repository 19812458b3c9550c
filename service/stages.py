"""Where an answer's time goes: decode, model, SQL; measured for whoever asked to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

_taken: ContextVar[dict[str, float] | None] = ContextVar("stages", default=None)


def _no_span(name: str, attributes: Mapping[str, str] | None = None) -> AbstractContextManager[Any]:
    return nullcontext()


span: Callable[..., AbstractContextManager[Any]] = _no_span
"""Opens a span of tracing; `service.web.tracing` puts OpenTelemetry's here."""


def watch_stages() -> dict[str, float]:
    """Seconds by stage from now on, in this context and in copies of it."""
    taken: dict[str, float] = {}
    _taken.set(taken)
    return taken


def add_to_stage(name: str, seconds: float) -> None:
    taken = _taken.get()
    if taken is not None:
        taken[name] = taken.get(name, 0.0) + seconds


@contextmanager
def stage(name: str, attributes: Mapping[str, str] | None = None) -> Iterator[None]:
    """Counts the time inside towards a stage. Photos worked on side by side add up.

    attributes: of the span.
    """
    began = time.perf_counter()
    try:
        with span(name, attributes=attributes):
            yield
    finally:
        add_to_stage(name, time.perf_counter() - began)
