"""A server that still answers with a model that was dropped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from sqlalchemy import text

from service.catalog import Row, category_names
from service.settings import Settings
from service.studio import Studio
from service.switch import drop_model, model_of

from ...bundles import TITLE, write_variant
from ..conftest import warm
from .conftest import switch


def photo(data: bytes) -> dict[str, Any]:
    return {"images": (io.BytesIO(data), "a.jpg")}


def test_what_it_labels_is_its_successors(
    studio: Studio, settings: Settings, rows: list[Row], root: Path, tmp_path: Path
) -> None:
    row = next(row for row in rows if row.label == row.predicted_label)
    data = (root / row.image_path).read_bytes()
    ask = warm(studio)
    begun = ask.post("/api/v1/sets", data=photo(b"no label of a model")).json
    assert begun is not None

    write_variant(tmp_path / "renamed", "renamed", renamed={row.label: "Novelty"})
    with Studio(settings) as other:
        with other.engine.begin() as connection:
            connection.execute(
                text("DELETE FROM garment WHERE :label IN (label, predicted_label)"),
                {"label": row.label},
            )
            garment_id = connection.scalar(text("SELECT min(id) FROM garment"))
        switch(other, tmp_path / "renamed", force=True)
        drop_model(other, model_of(other, TITLE))
        assert row.label not in category_names(other.engine)

    asked = ask.patch(f"/api/v1/garments/{garment_id}", json={"label": row.label})
    assert (asked.status_code, asked.json["code"]) == (503, "model_moved")
    before = studio.model
    asked = ask.post(f"/api/v1/sets/{begun['id']}/images", data=photo(data))
    assert asked.status_code == 400
    assert "Another model labelled this set" in asked.json["detail"]
    studio._model = before
    asked = ask.post("/api/v1/sets", data=photo(data))
    assert asked.status_code == 201
    assert asked.json["model"] == "renamed@2"
    assert [image["label"] for image in asked.json["images"]] == ["Novelty"]
