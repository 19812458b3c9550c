"""The real application on a real database and the real network; its catalog is drawn."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from service.catalog import Loader, Row
from service.decode import Limits, decode, fit
from service.encoder import Encoder
from service.settings import Settings
from service.studio import Studio
from service.web.app import create_app
from service.web.context import EXTENSION

from ..conftest import _database
from ..pictures import encoded, picture

JPEG = encoded(picture(300, 400), "JPEG")


@pytest.fixture(scope="session")
def rows(drawn: Path, encoder: Encoder) -> list[Row]:
    """The drawn garments, embedded once; their labels are given."""
    rows = []
    side = encoder.card.input_size
    with (drawn / "garments.csv").open(encoding="utf-8", newline="") as table:
        for line in csv.DictReader(table):
            data = (drawn / line["image_name"]).read_bytes()
            prediction = encoder.predict(fit(decode(data, Limits(), side=side).pixels, side))
            rows.append(
                Row(
                    image_path=line["image_name"],
                    label=line["category_label"],
                    label_source="given",
                    confidence=prediction.confidence_of(line["category_label"]),
                    predicted_label=prediction.label,
                    embedding=prediction.embedding,
                    content_sha256=hashlib.sha256(data).hexdigest(),
                )
            )
    return rows


@pytest.fixture(scope="session")
def stocked(
    administrator: Engine, template: str, home: Path, drawn: Path, encoder: Encoder, rows: list[Row]
) -> Iterator[Studio]:
    """A studio with 33 garments, ids from 1, that all tests share: they leave its garments alone."""
    for url in _database(administrator, template):
        settings = Settings(home=home, database_url=url, image_root=str(drawn))
        with Studio(settings) as studio:
            studio.model._encoder = encoder
            Loader(studio.engine, studio.model_id).write(rows)
            yield studio


@pytest.fixture(scope="session")
def client(stocked: Studio) -> FlaskClient:
    """A client of the shared catalog."""
    return warm(stocked)


@pytest.fixture
def settings(settings: Settings, drawn: Path) -> Settings:
    return settings.model_copy(update={"image_root": str(drawn)})


@pytest.fixture
def catalog(
    settings: Settings,
    environment: dict[str, str],
    drawn: Path,
    rows: list[Row],
    encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Engine]:
    """33 garments in the database that servers of the test use."""
    monkeypatch.setenv("FASHION_STUDIO_IMAGE_ROOT", str(drawn))
    with Studio(settings) as studio:
        Loader(studio.engine, studio.model_id).write(rows)
        yield studio.engine


@pytest.fixture
def empty(studio: Studio) -> FlaskClient:
    """A client of the test's own catalog."""
    return warm(studio)


def warm(studio: Studio) -> FlaskClient:
    app = create_app(studio)
    app.extensions[EXTENSION].warm_up()
    return app.test_client()
