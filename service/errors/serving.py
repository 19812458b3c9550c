"""What a server or a worker cannot do now."""

from __future__ import annotations

from service.errors.base import FashionStudioError


class PortInUse(FashionStudioError):
    """The port is taken by another program. Choose another one with --port."""

    code = "port_in_use"


class NotReady(FashionStudioError):
    """The network has not answered yet."""

    code = "not_ready"
    status = 503


class Overloaded(FashionStudioError):
    """Too much is asked at once. Try again in a moment."""

    code = "overloaded"
    status = 503


class TimeLimit(FashionStudioError):
    """The answer took longer than FASHION_STUDIO_REQUEST_SECONDS allows. Try again in a moment."""

    code = "timeout"
    status = 503


class RequestSlow(FashionStudioError):
    """The request arrived too slowly."""

    code = "request_timeout"
    status = 408


class WorkerMissing(FashionStudioError):
    """Jobs wait, and no worker runs. Start one with `fashion-studio worker`."""

    code = "worker_missing"


class RateLimited(FashionStudioError):
    """Too many requests in too short a time. Wait as long as Retry-After says."""

    code = "rate_limited"
    status = 429

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
