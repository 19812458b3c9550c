"""The calls of the HTTP API, each a method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from operator import index
from typing import TypedDict, Unpack
from uuid import UUID

from service.client.wire import Photo, Wire, part, query_of, segment
from service.domain import LabelSource, Order, Verdict
from service.report_schemas import Analysis, Feedback, FeedbackList, Report
from service.schemas import (
    Classification,
    Garment,
    GarmentPage,
    Import,
    ImportList,
    PhotoSet,
    Recommendation,
)


class Which(TypedDict, total=False):
    """Which garments, in which order, as `GET /garments` describes it; what is missing asks nothing."""

    label: str | None
    label_source: LabelSource | None
    predicted_label: str | None
    model: str | None
    q: str | None
    min_confidence: float | None
    max_confidence: float | None
    added_from: date | None
    added_to: date | None
    order: Order


class Client(Wire):
    """Calls of one server.

    Every call raises `ApiError` for what the server refuses, and `ServerUnreachable`.
    """

    # --- questions --------------------------------------------------------------------------------

    def classify(self, photo: Photo) -> Classification:
        """What a photo shows."""
        return self.call(Classification, "POST", "/classify", files=[part("image", photo)])

    def similar(
        self,
        photo: Photo,
        *,
        n: int = 9,
        label: str = "auto",
        mass: float | None = None,
        min_similarity: float | None = None,
        exact: bool = False,
        among: str | None = None,
    ) -> Recommendation:
        """The garments most like a photo. label: `auto`, `any`, or names separated by commas."""
        query = query_of(
            n=n, label=label, mass=mass, min_similarity=min_similarity, exact=exact, among=among
        )
        files = [part("image", photo)]
        return self.call(Recommendation, "POST", "/similar", params=query, files=files)

    def similar_to(
        self,
        garment_id: int | None = None,
        *,
        n: int = 9,
        label: str = "auto",
        min_similarity: float | None = None,
        exact: bool = False,
        among: str | None = None,
    ) -> Recommendation:
        """The garments most like one of the catalog; without an id, like one drawn by chance."""
        query = query_of(n=n, label=label, min_similarity=min_similarity, exact=exact, among=among)
        name = "random" if garment_id is None else garment_id
        return self.call(Recommendation, "GET", f"/garments/{name}/similar", params=query)

    # --- sets -------------------------------------------------------------------------------------

    def add_set(self, photos: Iterable[Photo], *, k: int | None = None) -> PhotoSet:
        """Label many photos, keep them as a set, and count its k most common categories."""
        files = [part("images", photo) for photo in photos]
        return self.call(PhotoSet, "POST", "/sets", params=query_of(k=k), files=files)

    def extend_set(
        self,
        set_id: UUID | str,
        photos: Iterable[Photo],
        *,
        after: int | None = None,
        k: int | None = None,
    ) -> PhotoSet:
        """Label more photos and add them to a set, behind those that it has.

        after: how many it has; with another number nothing is added, and `ApiError` says so.
        """
        files = [part("images", photo) for photo in photos]
        path = f"/sets/{segment(set_id)}/images"
        return self.call(PhotoSet, "POST", path, params=query_of(after=after, k=k), files=files)

    def get_set(self, set_id: UUID | str, *, k: int | None = None) -> PhotoSet:
        return self.call(PhotoSet, "GET", f"/sets/{segment(set_id)}", params=query_of(k=k))

    def delete_set(self, set_id: UUID | str) -> None:
        self._delete(f"/sets/{segment(set_id)}")

    # --- garments ---------------------------------------------------------------------------------

    def garments(self, *, page_size: int = 500, **conditions: Unpack[Which]) -> Iterator[Garment]:
        """Every garment by id that meets the conditions, asked for a page at a time."""
        cursor = None
        while True:
            page = self.garments_page(limit=page_size, cursor=cursor, **conditions)
            yield from page.garments
            cursor = page.next_cursor
            if cursor is None:
                return

    def garments_page(
        self, *, limit: int = 50, cursor: str | None = None, **conditions: Unpack[Which]
    ) -> GarmentPage:
        """One page, and the cursor of the next one."""
        query = query_of(limit=limit, cursor=cursor, **conditions)
        return self.call(GarmentPage, "GET", "/garments", params=query)

    def garment(self, garment_id: int) -> Garment:
        return self.call(Garment, "GET", f"/garments/{garment_id}")

    def add_garment(
        self, photo: Photo, *, label: str | None = None, image_path: str | None = None
    ) -> Garment:
        """Take a photo into the catalog; the garment that is there, if this very photo is."""
        fields = query_of(label=label, image_path=image_path)
        files = [part("image", photo)]
        return self.call(Garment, "POST", "/garments", data=fields, files=files)

    def relabel(self, garment_id: int, label: str) -> Garment:
        """Give a garment a label, as a person says it is."""
        return self.call(Garment, "PATCH", f"/garments/{garment_id}", json={"label": label})

    def delete_garment(self, garment_id: int) -> None:
        self._delete(f"/garments/{garment_id}")

    def image(self, garment_id: int, *, width: int | None = None) -> bytes:
        """A garment's picture as it is stored, or a JPEG no wider than `width`."""
        query = query_of(width=width)
        return self._picture(f"/garments/{garment_id}/image", params=query)

    # --- imports ----------------------------------------------------------------------------------

    def add_import(self, source: str, *, labels: LabelSource = "given") -> Import:
        """Let the server take photos in that lie beside it; `get_import` tells how far it is."""
        body = {"source": source, "labels": labels}
        return self.call(Import, "POST", "/imports", json=body)

    def get_import(self, import_id: int) -> Import:
        return self.call(Import, "GET", f"/imports/{import_id}")

    def imports(self, *, limit: int = 20, before: int | None = None) -> list[Import]:
        """The newest imports first. before: only those of a lower id."""
        query = query_of(limit=limit, before=before)
        return self.call(ImportList, "GET", "/imports", params=query).imports

    def cancel_import(self, import_id: int) -> Import:
        return self.call(Import, "POST", f"/imports/{import_id}/cancel")

    # --- feedback ---------------------------------------------------------------------------------

    def add_feedback(self, query: int | str, match_id: int, verdict: Verdict) -> Feedback:
        """Say whether a match is good. query: a garment's id, or `query.sha256` of a photo's answer."""
        asked = {"sha256": query} if isinstance(query, str) else {"garment_id": index(query)}
        body = {"query": asked, "match_id": index(match_id), "verdict": verdict}
        return self.call(Feedback, "POST", "/feedback", json=body)

    def feedback(self, *, limit: int = 100, before: int | None = None) -> list[Feedback]:
        """The newest verdicts first. before: only those with a lower id."""
        query = query_of(limit=limit, before=before)
        return self.call(FeedbackList, "GET", "/feedback", params=query).feedback

    def delete_feedback(self, feedback_id: int) -> None:
        self._delete(f"/feedback/{feedback_id}")

    # --- reports ----------------------------------------------------------------------------------

    def report(self, name: str, *, limit: int = 1000) -> Report:
        """A report on the catalog, such as `categories`; see `docs/analytics.md`."""
        path = f"/analytics/{segment(name)}"
        return self.call(Report, "GET", path, params=query_of(limit=limit))

    def refresh_report(self, name: str) -> Analysis:
        """Let the server make a stored report anew; `report` tells how far it is."""
        return self.call(Analysis, "POST", f"/analytics/{segment(name)}/refresh")

    def cancel_report(self, name: str) -> Analysis:
        return self.call(Analysis, "POST", f"/analytics/{segment(name)}/cancel")
