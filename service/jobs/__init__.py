"""Background work: a queue in Postgres itself, its tasks, and the worker that does them."""

from service.jobs.queue import request_analysis, request_import, request_switch
from service.jobs.tasks import STALLED_SECONDS
from service.jobs.worker import run_worker

__all__ = ["request_import", "request_analysis", "request_switch", "run_worker", "STALLED_SECONDS"]
