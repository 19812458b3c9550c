"""Reading and removing single garments."""

from collections import Counter

import pytest
from sqlalchemy import text

from service.catalog import (
    count_by_label,
    delete_garment,
    garment_by_id,
    is_empty,
    random_garment,
)
from service.domain import LabelCount
from service.errors import CatalogEmpty, GarmentNotFound

from .samples import row


def test_a_garment_comes_back_as_it_was_stored(engine, loader):
    loader.write([row("a.jpg", label="Dress", label_source="given", confidence=0.25)])
    garment = garment_by_id(engine, 1)
    assert (garment.image_path, garment.label, garment.label_source) == ("a.jpg", "Dress", "given")
    assert (garment.confidence, garment.predicted_label) == (0.25, "Tee")
    assert garment.model == "tiny@1"
    assert garment.created_at.tzinfo is not None


@pytest.mark.parametrize("garment_id", [0, -1, 2, 2**63, 10**30])
def test_an_unknown_id_is_refused(engine, loader, garment_id):
    loader.write([row("a.jpg")])
    with pytest.raises(GarmentNotFound):
        garment_by_id(engine, garment_id)
    with pytest.raises(GarmentNotFound):
        delete_garment(engine, garment_id)


def test_every_garment_has_the_same_chance(engine, fill):
    fill(10)
    delete_garment(engine, 3)
    drawn = Counter(random_garment(engine).id for _ in range(450))
    assert set(drawn) == set(range(1, 11)) - {3}
    assert all(20 < count < 90 for count in drawn.values())  # 50 expected, 6 standard deviations


def test_a_draw_survives_a_wide_gap(engine, loader):
    loader.write([row("a.jpg")])
    for _ in range(5):  # an update takes a number from the sequence too
        loader.write([row(f"{i}.jpg") for i in range(200)])
    for garment_id in range(2, 202):
        delete_garment(engine, garment_id)
    loader.write([row("z.jpg")])
    assert {random_garment(engine).image_path for _ in range(20)} <= {"a.jpg", "z.jpg"}


def test_every_garment_of_every_shard_has_the_same_chance(engine, loader):
    """As a coordinator sees them: a shard's ids begin at 10^12 times its number."""
    loader.write([row(f"0/{i}.jpg") for i in range(3)])
    for shard, count in ((1, 6), (4, 3)):
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE garment ALTER id RESTART {shard * 10**12 + 1}"))
        loader.write([row(f"{shard}/{i}.jpg") for i in range(count)])
    drawn = Counter(random_garment(engine).image_path for _ in range(600))
    assert len(drawn) == 12
    assert all(20 < count < 90 for count in drawn.values())  # 50 expected


def test_an_empty_catalog_has_no_random_garment(engine, model_id):
    with pytest.raises(CatalogEmpty, match="fashion-studio ingest"):
        random_garment(engine)


def test_a_catalog_that_is_emptied_while_one_draws_is_empty(engine, fill, monkeypatch):
    fill(1)

    def empty(low, high):
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM garment"))
        return low

    monkeypatch.setattr("service.catalog.garments.single.random.randint", empty)
    with pytest.raises(CatalogEmpty):
        random_garment(engine)


def test_a_garment_that_is_removed_while_one_draws_is_drawn_again(engine, fill, monkeypatch):
    fill(2)
    removed = []

    def remove(engine, garment_id):
        if not removed:
            removed.append(garment_id)
            delete_garment(engine, garment_id)
        return garment_by_id(engine, garment_id)

    monkeypatch.setattr("service.catalog.garments.single.garment_by_id", remove)
    assert [random_garment(engine).id] == list({1, 2} - set(removed))


def test_counts_are_in_the_models_order_and_include_empty_labels(engine, loader, model_id):
    assert [count.count for count in count_by_label(engine)] == [0, 0, 0]
    loader.write([row("a.jpg", label="Blazer"), row("b.jpg"), row("c.jpg"), row("d.jpg")])
    assert count_by_label(engine) == [
        LabelCount("Tee", 3, 0.75),
        LabelCount("Dress", 0, 0.0),
        LabelCount("Blazer", 1, 0.25),
    ]


def test_a_deleted_garment_is_gone(engine, loader):
    loader.write([row("a.jpg")])
    assert not is_empty(engine)
    delete_garment(engine, 1)
    assert is_empty(engine)
