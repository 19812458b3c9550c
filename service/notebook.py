"""For notebooks: `Recommender` and `Counter`, as the seed project had them, and `report`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image as Pillow

from service.catalog import read_report, usable
from service.decode import decode, read
from service.domain import LabelCount, Recommendation
from service.errors import FashionStudioError, ImageMissing, InvalidParameter
from service.frames import arrow_table
from service.recommend import (
    Query,
    similar_to_garment,
    similar_to_photo,
    top_categories,
)
from service.settings import Settings, load_settings
from service.show import HEIGHT, TILE, WIDTH, read_if_there, recommendation_sheet, set_sheet
from service.sources import images_in
from service.studio import Studio, open_catalog


def report(
    name: str, *, limit: int | None = None, settings: Settings | None = None
) -> pd.DataFrame:
    """A report on the catalog as a DataFrame: `report("categories")`; see `docs/analytics.md`.

    limit: rows at most. The frame's `attrs` have what its columns mean, `made_at`, in ISO 8601, of a
    stored report, and `note`: what is to be known before that is trusted, or None. Raises
    `ReportNotFound`, `InvalidParameter`, `DatabaseUnavailable`, `DatabaseUnfit`, `SchemaOutdated`.
    """
    if limit is not None and limit < 1:
        raise InvalidParameter(f"limit is {limit}; it must be at least 1.")
    settings = settings if settings is not None else load_settings()
    similarity = settings.duplicate_similarity
    with open_catalog(settings) as engine:
        found = read_report(engine, name, limit=limit, duplicate_similarity=similarity)
    frame = arrow_table(found).to_pandas(date_as_object=False)
    # Pandas writes attrs as JSON into a Parquet file
    made_at = None if found.made_at is None else found.made_at.isoformat()
    frame.attrs = {"title": found.title, "note": found.note, "made_at": made_at}
    frame.attrs["columns"] = {column.name: column.meaning for column in found.columns}
    return frame


def _opened(settings: Settings | None) -> Studio:
    with usable():
        studio = Studio(settings if settings is not None else load_settings())
    for warning in studio.warnings:
        warnings.warn(warning, stacklevel=3)
    return studio


class Recommender:
    """More like this, in a notebook.

    settings: by default the environment's; the database and the network are opened once and kept. What
    they warn of is a Python warning.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.studio = _opened(settings)
        self.answer: Recommendation | None = None
        self._asked: bytes | None = None

    def get_similar(
        self,
        query_image_path: str | Path | None = None,
        num_neighbors: int = 9,
        label: str = "auto",
        among: str | None = None,
    ) -> tuple[np.ndarray, list[np.ndarray], str | None]:
        """Ask for the garments most like a photo; without a path, like a random garment.

        Returns the query's picture, the matches' pictures by falling similarity, each (height,
        width, 3) uint8, and the photo's label. `self.answer` keeps ids and similarities. A garment
        whose picture is gone has an empty one. Where no garment is recognised there are no matches and
        the label is None; `label="any"` searches all the same, and gives the label recognised, or None.
        `among="in_stock"` searches only the garments that the view or table `among_in_stock` names.
        Raises `ImageUndecodable`, `ImageTooLarge`, `ImageTypeUnsupported`, `LabelUnknown`, `AmongUnknown`,
        `CatalogEmpty`, `InvalidParameter`, `ModelMoved`, `DatabaseUnavailable`.
        """
        query = Query(n=num_neighbors, label=label, among=among)
        if query_image_path is None:
            answer = similar_to_garment(self.studio, None, query)
            assert answer.garment is not None
            asked = self._read(answer.garment.image_path)
        else:
            asked = read(Path(query_image_path), self.studio.limits)
            answer = similar_to_photo(self.studio, self.studio.decode(asked), query)
        self.answer, self._asked = answer, asked  # together: `show` draws the one beside the other
        pictures = [self._pixels(self._read(match.image_path)) for match in answer.matches]
        own = answer.labels[0].label if answer.recognised else None
        return self._pixels(asked), pictures, own

    def show(self) -> Pillow.Image:
        """The last answer as a picture: the query and its matches with their similarities."""
        if self.answer is None:
            self.get_similar()
        assert self.answer is not None
        return recommendation_sheet(
            self._asked, self.answer, self.studio.images.read, self.studio.limits
        )

    def _read(self, image_path: str) -> bytes | None:
        return read_if_there(self.studio.images.read, image_path)

    def _pixels(self, data: bytes | None) -> np.ndarray:
        try:
            return decode(data or b"", self.studio.limits).pixels
        except FashionStudioError:
            return np.asarray(Pillow.new("RGB", (WIDTH, HEIGHT), TILE))


class Counter:
    """The most common categories of a set of photos, counted by Postgres. settings: as of `Recommender`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.studio = _opened(settings)
        self.images: list[tuple[Path, str | None, float]] = []
        self.errors: list[tuple[Path, str]] = []
        self._counts: list[LabelCount] = []

    def count(
        self,
        dir_path: str | Path | None = None,
        img_paths: str | Path | Sequence[str | Path] | None = None,
        k: int | None = None,
    ) -> list[tuple[str, int]]:
        """Label a photo, or every one of a folder or a list; the `k` most common labels with their counts.

        Unreadable photos are left out and kept in `self.errors`. A photo in which no garment is
        recognised is not counted; in `self.images` its label is None. After an error `show` draws the
        count before. Raises `InvalidParameter`, `SourceInvalid` for a folder that cannot be listed, and
        `BundleInvalid` or its like where the network cannot be loaded.
        """
        if (dir_path is None) == (img_paths is None):
            raise InvalidParameter("Give one of dir_path and img_paths.")
        if k is not None and k < 1:
            raise InvalidParameter(f"k is {k}; it must be at least 1.")
        if isinstance(img_paths, str | Path):
            img_paths = [img_paths]
        files = (
            list(images_in(Path(dir_path))) if dir_path is not None else map(Path, img_paths or ())
        )
        images: list[tuple[Path, str | None, float]] = []
        errors: list[tuple[Path, str]] = []
        model = self.studio.model  # one for all of them, also where another takes over
        for file in files:
            try:
                prediction = model.predict(model.decode(read(file, model.limits)))
                label = prediction.label if prediction.recognised else None
                images.append((file, label, prediction.confidence))
            except FashionStudioError as error:
                if error.is_ours:
                    raise
                errors.append((file, error.detail))
        labels = [label for _, label, _ in images if label is not None]
        counts = top_categories(self.studio, labels, k)
        self.images, self.errors, self._counts = images, errors, counts  # together, for `show`
        return [(count.label, count.count) for count in self._counts]

    def show(self) -> Pillow.Image:
        """The first 300 photos of the last count with their labels, under the top categories."""
        if not self.images:
            if self.errors:
                raise ImageMissing(
                    f"No photo could be read, the first one because: {self.errors[0][1]}"
                )
            raise ImageMissing("There is nothing to show: call count() with some photos first.")
        limits = self.studio.limits
        unread = len(self.errors)
        return set_sheet(self.images, self._counts, partial(read, limits=limits), unread, limits)
