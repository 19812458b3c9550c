"""Requests to the HTTP API and what becomes of its answers: a shape, or one of two errors."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from service.schemas import Problem

API = "/api/v1"
SECONDS = 40.0  # ten more than the server gives itself, so that it can say that it took too long
IDLE_SECONDS = 1.0  # of a connection that is kept: the server closes it after 2

Photo = bytes | str | PathLike[str]
"""Bytes of an image, or the path of one."""

Shape = TypeVar("Shape", bound=BaseModel)


class ApiError(Exception):
    """The server refused, and says why.

    problem: as RFC 9457 has it; its `code` is stable. retry_after: seconds after which the same call
    may succeed, where the server said so.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[Self], tuple[Problem, float | None]]:
        return type(self), (self.problem, self.retry_after)  # it comes out of a pool of processes

    @property
    def code(self) -> str:
        return self.problem.code

    @property
    def status(self) -> int:
        return self.problem.status


class ServerUnreachable(Exception):
    """The server does not answer, or what answers is not Fashion Studio."""


class Wire:
    """The connections to one server. Safe to use from several threads; close it, or use it as a context.

    url: where the server is, such as `http://127.0.0.1:8000`. key: an API key, where it needs one.
    timeout: seconds to wait for a connection, and for each piece of an answer.
    Raises `ServerUnreachable` for what is no address.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout: float = SECONDS) -> None:
        try:
            self._http = httpx.Client(
                base_url=url.rstrip("/"),
                headers=_authorization(key) if key else {},
                timeout=timeout,
                limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            )
            self._http.base_url.raw_host.decode().encode("idna")  # as each request would, too late
        except httpx.InvalidURL as error:
            raise ServerUnreachable(f"{url} is no address: {error}.") from None
        except UnicodeError:
            said = f"{url} is no address: a part of its host's name is empty or too long."
            raise ServerUnreachable(said) from None

    def call(self, shape: type[Shape], method: str, path: str, **request: Any) -> Shape:
        answer = self.send(method, path, **request)
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError:
            raise _another(answer, f"its answer is no {shape.__name__}") from None

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, API + path, **request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise ServerUnreachable(f"{self._http.base_url} does not answer: {reason}.") from error
        if answer.is_success:
            return answer
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            raise ServerUnreachable(f"{answer.url} answered {answer.status_code}.") from None
        raise ApiError(problem, _seconds(answer.headers.get("Retry-After")))

    def close(self) -> None:
        self._http.close()

    def _delete(self, path: str) -> None:
        answer = self.send("DELETE", path)
        if answer.status_code != httpx.codes.NO_CONTENT:
            raise _another(answer, f"it answered {answer.status_code} to a deletion")

    def _picture(self, path: str, **request: Any) -> bytes:
        answer = self.send("GET", path, **request)
        if not answer.headers.get("Content-Type", "").startswith("image/"):
            raise _another(answer, "its answer is no picture")
        return answer.content

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def part(field: str, photo: Photo) -> tuple[str, tuple[str, bytes]]:
    """A file of a form. The server goes by its content; the name is for people, and need not be UTF-8."""
    if isinstance(photo, bytes):
        return field, ("photo", photo)
    path = Path(photo)
    name = path.name.encode(errors="replace").decode()
    return field, (name, path.read_bytes())


def query_of(**values: Any) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def segment(value: object) -> str:
    """A value as one part of a path: no `/` of it leads to what another call is about."""
    return quote(str(value), safe="")


def _another(answer: httpx.Response, why: str) -> ServerUnreachable:
    """What to raise for a success that is not ours, such as the page of a proxy that asks who one is."""
    return ServerUnreachable(f"{answer.url} is not Fashion Studio: {why}.")


def _authorization(key: str) -> dict[str, str]:
    """Without the end of the line that a key's file has: httpx would refuse it, and show the key. What
    can be no key is the server's to refuse."""
    sent = "".join(key.split()).encode("ascii", "replace").decode()
    return {"Authorization": f"Bearer {sent}"}


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
