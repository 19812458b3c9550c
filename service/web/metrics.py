"""What Prometheus scrapes at `/metrics`.

Each server process counts into files that all of them share (prometheus_client's multiprocess mode),
so any of them answers for all. What Postgres knows is asked at most every few seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

from flask import Response
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from service.catalog import kept_recall, open_switch, queue_state, serving_model, shelves
from service.errors import FashionStudioError
from service.jobs import STALLED_SECONDS
from service.settings import counts_are_shared

FRESH_SECONDS = 10.0  # for which Postgres is not asked again

REQUESTS = Histogram(
    "fashion_studio_request_seconds",
    "Requests by method, path and status, and how long they took.",
    ["method", "path", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
STAGES = Histogram(
    "fashion_studio_stage_seconds",
    "Where requests spend their time: decode, model (waiting for it included), sql.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
REFUSED = Counter(
    "fashion_studio_refused_total", "Requests refused for load: by the problem's code.", ["code"]
)
IN_FLIGHT = Gauge(
    "fashion_studio_in_flight",
    "Requests being worked on, those that wait for the network or a connection included.",
    multiprocess_mode="livesum",
)
IN_FLIGHT_LIMIT = Gauge(
    "fashion_studio_in_flight_limit",
    "How many requests all server processes work on at once; more are refused.",
    multiprocess_mode="livesum",
)
CONNECTIONS = Gauge(
    "fashion_studio_connections_in_use",
    "Database connections that requests hold.",
    multiprocess_mode="livesum",
)
READS = Counter(
    "fashion_studio_reads_total", "Reads that a replica may answer, by who did.", ["answered_by"]
)
REPLICA_LAG = Gauge(
    "fashion_studio_replica_lag_seconds",
    "How far behind a replica is at most, as the server process that is least sure of it knows.",
    ["replica"],
    multiprocess_mode="livemax",
)


def exposition(catalog: Catalog) -> Response:
    """Prometheus's text format: what the server processes counted, and what Postgres knows."""
    registry = CollectorRegistry()
    if counts_are_shared():
        multiprocess.MultiProcessCollector(registry)
    else:
        registry.register(_Own())
    registry.register(catalog)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Own(Collector):
    """This process's counts, where there is one process."""

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("fashion_studio"))


class Catalog(Collector):
    """What Postgres knows: sizes, indexes, jobs; asked again when it is no longer fresh."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._families: list[Metric] = []
        self._asked = -FRESH_SECONDS
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._asked >= FRESH_SECONDS:
                self._families = list(self._ask())
                self._asked = time.monotonic()
            return self._families

    def _ask(self) -> Iterator[Metric]:
        up = _gauge("database_up", "1 where Postgres answered, and as this version asks.")
        try:
            found = list(self._catalog())
        except (FashionStudioError, SQLAlchemyError):  # also at another schema than this version's
            found = []
        up.add_metric([], float(bool(found)))
        yield from [up, *found]

    def _catalog(self) -> Iterator[Metric]:
        garments = _gauge("garments", "Garments by label.", "label")
        indexes = _gauge(
            "index_state", "1 for the state that a label's index is in.", "label", "state"
        )
        for shelf in shelves(self._engine):
            garments.add_metric([shelf.label], shelf.rows)
            indexes.add_metric([shelf.label, shelf.state], 1)
        recall = _gauge("index_recall", "recall@10 when it was last measured.", "label")
        measured = _gauge("index_recall_measured_timestamp_seconds", "When that was.", "label")
        for kept in kept_recall(self._engine):
            recall.add_metric([kept.label], kept.recall)
            measured.add_metric([kept.label], kept.measured_at.timestamp())
        jobs = _gauge("jobs", "Jobs of the queue by state.", "state")
        workers = _gauge("workers", "Workers that are alive.")
        state = queue_state(self._engine, silence=STALLED_SECONDS)
        for name in ("todo", "doing", "failed"):
            jobs.add_metric([name], state.jobs.get(name, 0))
        workers.add_metric([], state.workers)
        model = _gauge("model", "1 for the model that serves the catalog.", "model")
        serving = serving_model(self._engine)
        if serving is not None:
            model.add_metric([serving.title], 1)
        done = _gauge("switch_done", "Of a switch under way: done in its stage.", "model", "stage")
        goal = _gauge("switch_goal", "Of a switch under way: of how many.", "model", "stage")
        switch = open_switch(self._engine)
        if switch is not None:
            done.add_metric([switch.model, switch.stage], switch.done)
            goal.add_metric([switch.model, switch.stage], switch.total)
        yield from (garments, indexes, recall, measured, jobs, workers, model, done, goal)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fashion_studio_{name}", text, labels=labels)
