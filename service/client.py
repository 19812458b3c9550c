"""A client of the HTTP API, typed: `from service.client import Client`.

It needs neither the database nor the network nor Flask: a machine that only asks may import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from service.domain import LabelSource
from service.schemas import (
    Classification,
    Garment,
    GarmentPage,
    Import,
    ImportList,
    PhotoSet,
    Problem,
    Recommendation,
)

API = "/api/v1"
SECONDS = 30.0

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

    @property
    def code(self) -> str:
        return self.problem.code

    @property
    def status(self) -> int:
        return self.problem.status


class ServerUnreachable(Exception):
    """The server does not answer, or what answers is not Fashion Studio."""


class Client:
    """Calls of one server. Safe to use from several threads; close it, or use it as a context.

    url: where the server is, such as `http://127.0.0.1:8000`. key: an API key, where it needs one.
    timeout: seconds to wait for a connection, and for each piece of an answer.

    Every call raises `ApiError` for what the server refuses, and `ServerUnreachable`.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout: float = SECONDS) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)

    # --- questions --------------------------------------------------------------------------------

    def classify(self, photo: Photo) -> Classification:
        """What a photo shows."""
        return self._call(Classification, "POST", "/classify", files=[_part("image", photo)])

    def similar(
        self,
        photo: Photo,
        *,
        n: int = 9,
        label: str = "auto",
        mass: float | None = None,
        min_similarity: float | None = None,
        exact: bool = False,
    ) -> Recommendation:
        """The garments most like a photo. label: `auto`, `any`, or names separated by commas."""
        query = _query(n=n, label=label, mass=mass, min_similarity=min_similarity, exact=exact)
        files = [_part("image", photo)]
        return self._call(Recommendation, "POST", "/similar", params=query, files=files)

    def similar_to(
        self,
        garment_id: int | None = None,
        *,
        n: int = 9,
        label: str = "auto",
        min_similarity: float | None = None,
        exact: bool = False,
    ) -> Recommendation:
        """The garments most like one of the catalog; without an id, like one drawn by chance."""
        query = _query(n=n, label=label, min_similarity=min_similarity, exact=exact)
        name = "random" if garment_id is None else garment_id
        return self._call(Recommendation, "GET", f"/garments/{name}/similar", params=query)

    # --- sets -------------------------------------------------------------------------------------

    def add_set(self, photos: Iterable[Photo], *, k: int | None = None) -> PhotoSet:
        """Label many photos, keep them as a set, and count its k most common categories."""
        files = [_part("images", photo) for photo in photos]
        return self._call(PhotoSet, "POST", "/sets", params=_query(k=k), files=files)

    def extend_set(
        self, set_id: UUID | str, photos: Iterable[Photo], *, k: int | None = None
    ) -> PhotoSet:
        """Label more photos and add them to a set, behind those that it has."""
        files = [_part("images", photo) for photo in photos]
        path = f"/sets/{set_id}/images"
        return self._call(PhotoSet, "POST", path, params=_query(k=k), files=files)

    def get_set(self, set_id: UUID | str, *, k: int | None = None) -> PhotoSet:
        return self._call(PhotoSet, "GET", f"/sets/{set_id}", params=_query(k=k))

    def delete_set(self, set_id: UUID | str) -> None:
        self._send("DELETE", f"/sets/{set_id}")

    # --- garments ---------------------------------------------------------------------------------

    def garments(self, *, label: str | None = None, page_size: int = 500) -> Iterator[Garment]:
        """Every garment by id, asked for a page at a time."""
        cursor = None
        while True:
            page = self.garments_page(label=label, limit=page_size, cursor=cursor)
            yield from page.garments
            cursor = page.next_cursor
            if cursor is None:
                return

    def garments_page(
        self, *, label: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> GarmentPage:
        """One page, and the cursor of the next one."""
        query = _query(label=label, limit=limit, cursor=cursor)
        return self._call(GarmentPage, "GET", "/garments", params=query)

    def garment(self, garment_id: int) -> Garment:
        return self._call(Garment, "GET", f"/garments/{garment_id}")

    def add_garment(
        self, photo: Photo, *, label: str | None = None, image_path: str | None = None
    ) -> Garment:
        """Take a photo into the catalog; the garment that is there, if this very photo is."""
        fields = _query(label=label, image_path=image_path)
        files = [_part("image", photo)]
        return self._call(Garment, "POST", "/garments", data=fields, files=files)

    def relabel(self, garment_id: int, label: str) -> Garment:
        """Give a garment a label, as a person says it is."""
        return self._call(Garment, "PATCH", f"/garments/{garment_id}", json={"label": label})

    def delete_garment(self, garment_id: int) -> None:
        self._send("DELETE", f"/garments/{garment_id}")

    def image(self, garment_id: int, *, width: int | None = None) -> bytes:
        """A garment's picture as it is stored, or a JPEG no wider than `width`."""
        query = _query(width=width)
        return self._send("GET", f"/garments/{garment_id}/image", params=query).content

    # --- imports ----------------------------------------------------------------------------------

    def add_import(self, source: str, *, labels: LabelSource = "given") -> Import:
        """Let the server take photos in that lie beside it; `get_import` tells how far it is."""
        body = {"source": source, "labels": labels}
        return self._call(Import, "POST", "/imports", json=body)

    def get_import(self, import_id: int) -> Import:
        return self._call(Import, "GET", f"/imports/{import_id}")

    def imports(self, *, limit: int = 20, before: int | None = None) -> list[Import]:
        """The newest imports first. before: only those of a lower id."""
        query = _query(limit=limit, before=before)
        return self._call(ImportList, "GET", "/imports", params=query).imports

    def cancel_import(self, import_id: int) -> Import:
        return self._call(Import, "POST", f"/imports/{import_id}/cancel")

    # --- the wire ---------------------------------------------------------------------------------

    def _call(self, shape: type[Shape], method: str, path: str, **request: Any) -> Shape:
        answer = self._send(method, path, **request)
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError as error:
            raise ServerUnreachable(f"{answer.url} is not Fashion Studio: {error}") from None

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, API + path, **request)
        except httpx.HTTPError as error:
            raise ServerUnreachable(
                f"{self._http.base_url} does not answer: {error or type(error).__name__}."
            ) from error
        if answer.is_success:
            return answer
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            raise ServerUnreachable(f"{answer.url} answered {answer.status_code}.") from None
        raise ApiError(problem, _seconds(answer.headers.get("Retry-After")))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _part(field: str, photo: Photo) -> tuple[str, tuple[str, bytes]]:
    """A file of a form. The server goes by its content; the name is for people."""
    if isinstance(photo, bytes):
        return field, ("photo", photo)
    path = Path(photo)
    return field, (path.name, path.read_bytes())


def _query(**values: Any) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
