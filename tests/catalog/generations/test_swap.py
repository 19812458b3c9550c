"""The moment in which another model's garments take the place of the serving one's."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from service.catalog import (
    add_garment,
    beside,
    build_indexes,
    delete_garment,
    drop_generation,
    garment_by_id,
    index_name,
    kept_recall,
    note_recall,
    relabel_garment,
    serving_id,
    shelves,
    swap,
)
from service.errors import (
    BundleMismatch,
)

from ..samples import row
from ..test_schema import test_alembic_finds_nothing_to_change
from .conftest import COUNT, as_new, embed, nearest, shape


def test_a_swap_leaves_the_schema_as_the_migrations_make_it(engine, reembedding):
    before = shape(engine)
    embed(reembedding)
    swap(engine, reembedding)
    assert shape(engine) == before
    test_alembic_finds_nothing_to_change(engine)


def test_both_models_answer_before_and_after(engine, model_id, new_id, stocked, reembedding):
    embed(reembedding)
    query, other = stocked[7], as_new("Tee/0/000007.jpg")
    old = nearest(engine, query, model_id=model_id)
    new = nearest(engine, other, model_id=new_id)
    assert old[0][0][1] == new[0][0][1] == "Tee/0/000007.jpg"
    swap(engine, reembedding)
    assert serving_id(engine) == new_id
    assert nearest(engine, query, model_id=model_id) == old
    assert nearest(engine, other, model_id=new_id) == new
    assert garment_by_id(engine, 8).model == "new@1"


def test_indexes_are_built_beside_and_go_along(engine, model_id, new_id, stocked, reembedding):
    build_indexes(engine, threshold=50)
    embed(reembedding)
    note_recall(engine, "Tee", 0.5)
    assert build_indexes(beside(engine, new_id), threshold=50) == ["Tee"]
    assert [kept.label for kept in kept_recall(engine)] == ["Tee"]  # the serving one's
    assert build_indexes(beside(engine, new_id), threshold=50) == []
    for where in (engine, beside(engine, new_id)):
        assert {s.label: s.state for s in shelves(where)}["Tee"] == "valid"
    swap(engine, reembedding)
    _, method = nearest(engine, as_new("Tee/0/000007.jpg"), model_id=new_id)
    _, old_method = nearest(engine, stocked[7], model_id=model_id)
    assert (method, old_method) == ("hnsw", "hnsw")
    drop_generation(engine, model_id)
    assert {s.label: s.state for s in shelves(engine)}["Tee"] == "valid"


def test_an_index_that_only_the_serving_model_has_is_not_taken_for_the_others(
    engine, new_id, stocked, reembedding
):
    build_indexes(engine, threshold=50)
    embed(reembedding)
    _, method = nearest(engine, as_new("Tee/0/000007.jpg"), model_id=new_id)
    assert method == "exact"


def test_what_comes_changes_and_goes_meanwhile_is_caught_up(engine, loader, model_id, reembedding):
    embed(reembedding)
    assert reembedding.count_left() == 0
    loader.write([row("added.jpg"), row("Tee/0/000001.jpg", content_sha256="ee" * 32)])
    relabel_garment(engine, 3, "Dress", confidence=None, digest=None, model_id=model_id)
    delete_garment(engine, 4)
    assert embed(reembedding) == ["Tee/0/000001.jpg", "Tee/0/000002.jpg", "added.jpg"]
    swap(engine, reembedding)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM garment")) == COUNT + 20
        assert connection.scalar(text("SELECT count(DISTINCT model_id) FROM garment")) == 1
        assert connection.scalar(text("SELECT label FROM garment WHERE id = 3")) == "Dress"
        assert connection.scalar(text("SELECT id FROM garment WHERE id = 4")) is None


def test_a_path_that_became_another_garments_is_no_obstacle(engine, loader, reembedding):
    embed(reembedding)
    delete_garment(engine, 1)
    loader.write([row("Tee/0/000000.jpg")])
    swap(engine, reembedding, catch_up=lambda beside, hasty: embed(beside))
    with engine.connect() as connection:
        found = connection.scalar(
            text("SELECT id FROM garment WHERE image_path = 'Tee/0/000000.jpg'")
        )
    assert found > COUNT


def test_a_swap_waits_for_what_is_left(engine, loader, reembedding):
    seen = []
    swap(engine, reembedding, catch_up=lambda beside, hasty: seen.extend(embed(beside)))
    assert len(seen) == COUNT + 20


def test_new_garments_get_new_ids_after_a_swap(engine, new_id, reembedding):
    embed(reembedding)
    swap(engine, reembedding)
    garment, _ = add_garment(
        engine, new_id, row("later.jpg"), put=lambda: True, take_back=lambda: None
    )
    assert garment.id > COUNT + 20


def test_a_loader_of_the_model_before_is_refused(engine, loader, reembedding):
    embed(reembedding)
    swap(engine, reembedding)
    with pytest.raises(BundleMismatch):
        loader.write([row("late.jpg")])


def test_a_builder_that_a_swap_overtakes_leaves_the_new_indexes_alone(
    engine, new_id, stocked, reembedding
):
    embed(reembedding)
    build_indexes(beside(engine, new_id), threshold=10)
    number = text(f"SELECT oid FROM pg_class WHERE relname = '{index_name('Blazer')}'")
    with engine.connect() as connection:
        brought = connection.scalar(number)

    def overtake(building):
        if (building.label, building.phase) == ("Tee", "done"):
            swap(engine, reembedding)

    assert build_indexes(engine, threshold=10, progress=overtake) == ["Tee"]
    assert serving_id(engine) == new_id
    with engine.connect() as connection:
        assert connection.scalar(number) == brought
