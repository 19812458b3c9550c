"""A new model takes over without downtime, or is refused, or is undone."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from service import recommend
from service.catalog import (
    category_names,
    count_by_label,
    garment_by_id,
    last_switch,
    unread_of,
)
from service.errors import (
    FashionStudioError,
    ModelNotFound,
    SwitchRefused,
)
from service.ingest import ingest
from service.recommend import Query
from service.studio import Studio
from service.switch import drop_model, model_of

from ...bundles import TITLE, write_variant
from .conftest import PHOTOS, ask, photo, switch, table_of


def test_a_bundle_with_other_embeddings_takes_over_and_back(
    studio: Studio, root: Path, noisy: Path
) -> None:
    before = ask(studio, photo(root, 0))
    found = switch(studio, noisy, margin=1)
    assert found.figures["accuracy"]["given_labels"] == PHOTOS
    assert found.figures["garments"] == PHOTOS
    assert 0 < found.figures["neighbours"]["overlap_at_10"]["mean"] < 1
    after = ask(studio, photo(root, 0))
    assert (before.model, after.model) == (TITLE, "noisy@2")
    assert garment_by_id(studio.engine, 1).model == "noisy@2"
    began = time.monotonic()
    assert switch(studio, "previous") is None
    assert time.monotonic() - began < 20, "nothing had to be embedded"
    assert ask(studio, photo(root, 0)) == before
    drop_model(studio, model_of(studio, "noisy@2"))
    with pytest.raises(ModelNotFound):
        model_of(studio, "previous")
    with pytest.raises(FashionStudioError, match="serves"):
        drop_model(studio, model_of(studio, TITLE))


def test_a_worse_bundle_is_refused_unless_forced(studio: Studio, tmp_path: Path) -> None:
    write_variant(tmp_path / "deaf", "deaf", deaf=True)
    with pytest.raises(SwitchRefused, match=r"given labels rightly.*--force"):
        switch(studio, tmp_path / "deaf")
    record = last_switch(studio.engine)
    assert record is not None
    assert record.state == "refused"
    assert record.report is not None
    assert record.report["accuracy"]["new"]["share"] < record.report["accuracy"]["old"]["share"]
    assert studio.follow().card.name == "lite0-fashion"
    switch(studio, tmp_path / "deaf", force=True)
    assert studio.model.card.name == "deaf"


def test_another_label_set_keeps_given_labels_and_renames_predicted_ones(
    studio: Studio, root: Path, tmp_path: Path
) -> None:
    labels = studio.model.card.labels
    seen = studio.model.predict(studio.model.decode(photo(root, 0)))
    gone = seen.label
    again = ["again.jpg", *(f"again-{number}.jpg" for number in range(8))]
    for name in again:
        (root / name).write_bytes(photo(root, 0))
    ingest(studio, table_of(root, *again))
    write_variant(tmp_path / "renamed", "renamed", renamed={gone: "Playsuit"})
    found = switch(studio, tmp_path / "renamed", margin=0)
    assert found.figures["neighbours"]["difference"]["mean"] == 0, "nothing is lost but a name"
    assert category_names(studio.engine)[: len(labels)] == [
        "Playsuit" if label == gone else label for label in labels
    ]
    with studio.engine.connect() as connection:
        predicted = connection.scalar(
            text("SELECT label FROM garment WHERE image_path = 'again.jpg'")
        )
    assert predicted == "Playsuit"
    counts = {count.label: count.count for count in count_by_label(studio.engine)}
    assert counts[gone] == 3, "given labels stay"
    assert gone in studio.model.labels
    answer = recommend.similar_to_garment(studio, 1, Query(n=9, label=gone))
    assert {match.label for match in answer.matches} == {gone}


def test_photos_that_are_gone_or_others_are_named_and_decided_upon(
    studio: Studio, root: Path, noisy: Path
) -> None:
    first, second = (garment_by_id(studio.engine, number).image_path for number in (1, 2))
    (root / first).unlink()
    (root / second).write_bytes(photo(root, 9))
    with pytest.raises(SwitchRefused, match=r"2 garments cannot be read.*--forget-unreadable"):
        switch(studio, noisy, margin=1)
    unread = unread_of(studio.engine, model_of(studio, "noisy@2").id)
    assert [garment.image_path for garment in unread] == [first, second]
    assert "another one than was taken in" in unread[1].reason
    switch(studio, noisy, margin=1, forget_unreadable=True)
    assert sum(count.count for count in count_by_label(studio.engine)) == PHOTOS - 2


def test_a_wrong_image_root_never_empties_a_catalog(
    studio: Studio, root: Path, noisy: Path
) -> None:
    shutil.rmtree(root / "images")
    with pytest.raises(SwitchRefused, match="IMAGE_ROOT"):
        switch(studio, noisy, forget_unreadable=True, force=True)
    assert sum(count.count for count in count_by_label(studio.engine)) == PHOTOS
