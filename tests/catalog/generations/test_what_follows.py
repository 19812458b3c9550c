"""What a swap leaves: labels, views, the way back, and what is dropped."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service.catalog import (
    Reembedding,
    beside,
    build_indexes,
    cancel_switch,
    category_names,
    delete_garment,
    drop_generation,
    garment_by_id,
    has_generation,
    make_generation,
    migrate,
    only_switcher,
    open_engine,
    open_switch,
    register,
    serving_id,
    similar,
    start_switch,
    swap,
    unread_of,
)
from service.errors import (
    DatabaseUnfit,
    DowngradeRefused,
    LabelUnknown,
    ModelMoved,
    SwitchRefused,
    SwitchRunning,
)

from .conftest import COUNT, NEW, as_new, embed, execute, nearest


def test_given_labels_stay_where_the_new_model_lacks_them(engine, model_id, reembedding):
    embed(reembedding)
    swap(engine, reembedding)
    assert category_names(engine) == ["Dress", "Tee", "Robe", "Blazer"]
    assert garment_by_id(engine, COUNT + 1).label == "Blazer"
    drop_generation(engine, model_id)
    assert category_names(engine) == ["Dress", "Tee", "Robe", "Blazer"]


def test_categories_that_nothing_has_any_more_go_with_their_model(engine, new_id, reembedding):
    assert "Robe" in category_names(engine)
    drop_generation(engine, new_id)
    assert category_names(engine) == ["Tee", "Dress", "Blazer"]


def test_views_and_foreign_keys_follow(engine, new_id, reembedding):
    execute(engine, "CREATE VIEW of_model AS SELECT id, model_id FROM garment WHERE id < 10")
    execute(engine, "COMMENT ON VIEW of_model IS 'kept'")
    execute(engine, "CREATE TABLE note (id bigint REFERENCES garment ON DELETE CASCADE)")
    execute(engine, "INSERT INTO note VALUES (1), (2)")
    embed(reembedding)
    swap(engine, reembedding)
    with engine.connect() as connection:
        assert set(connection.scalars(text("SELECT model_id FROM of_model"))) == {new_id}
        assert connection.scalar(text("SELECT obj_description('of_model'::regclass)")) == "kept"
        assert list(
            connection.scalars(
                text(
                    "SELECT convalidated FROM pg_constraint "
                    "WHERE conrelid = 'note'::regclass AND contype = 'f'"
                )
            )
        ) == [True]
    delete_garment(engine, 1)
    with engine.connect() as connection:
        assert list(connection.scalars(text("SELECT id FROM note"))) == [2]
    with pytest.raises(IntegrityError):
        execute(engine, "INSERT INTO note VALUES (100000)")


def test_a_foreign_key_that_was_never_proven_is_not_proven(engine, model_id, reembedding):
    """Some of its rows may point nowhere, which is why."""
    execute(engine, "CREATE TABLE note (id bigint)")
    execute(engine, "INSERT INTO note VALUES (100000)")
    execute(engine, "ALTER TABLE note ADD FOREIGN KEY (id) REFERENCES garment NOT VALID")
    embed(reembedding)
    swap(engine, reembedding)
    assert serving_id(engine) != model_id
    with engine.connect() as connection:
        proven = text("SELECT convalidated FROM pg_constraint WHERE conrelid = 'note'::regclass")
        assert list(connection.scalars(proven)) == [False]


def test_a_materialized_view_is_named_and_nothing_changes(engine, model_id, reembedding):
    execute(engine, "CREATE MATERIALIZED VIEW frozen AS SELECT id FROM garment")
    embed(reembedding)
    with pytest.raises(DatabaseUnfit, match="frozen"):
        swap(engine, reembedding)
    assert serving_id(engine) == model_id


def test_the_way_back_is_a_swap_too(engine, model_id, new_id, stocked, reembedding):
    embed(reembedding)
    swap(engine, reembedding)
    delete_garment(engine, 9)
    back = Reembedding(engine, model_id)
    assert back.count_left() == 0
    swap(engine, back)
    assert serving_id(engine) == model_id
    assert nearest(engine, stocked[7], model_id=model_id)[0][0] == (8, "Tee/0/000007.jpg")
    assert 9 not in [g[0] for g in nearest(engine, stocked[8], model_id=model_id)[0]]
    assert has_generation(engine, new_id)
    assert not has_generation(engine, model_id)


def test_a_dropped_model_answers_no_more(engine, model_id, stocked, reembedding):
    embed(reembedding)
    swap(engine, reembedding)
    drop_generation(engine, model_id)
    with pytest.raises(ModelMoved):
        nearest(engine, stocked[7], model_id=model_id)


def test_a_label_that_went_with_its_model_is_no_unknown_one(engine, model_id, stocked, reembedding):
    """The model that is asked with named it, and nobody else did."""
    execute(engine, "DELETE FROM garment WHERE label = 'Blazer'")
    embed(reembedding)
    swap(engine, reembedding)
    drop_generation(engine, model_id)
    assert "Blazer" not in category_names(engine)
    with pytest.raises(ModelMoved):
        similar(engine, stocked[7], labels=["Blazer"], n=5, model_id=model_id)
    with pytest.raises(LabelUnknown):
        similar(engine, stocked[7], labels=["Blazer"], n=5)


@pytest.mark.parametrize("query", [as_new("given/3.jpg"), COUNT + 4], ids=["photo", "garment"])
def test_a_label_that_was_last_searched_before_a_swap_is_searched_after_the_drop(
    engine, model_id, new_id, stocked, reembedding, query
):
    """By then the projection is gone that this process knows the label by."""
    build_indexes(engine, threshold=100)
    for label in ("Tee", "Blazer"):
        similar(engine, stocked[7], labels=[label], n=5, model_id=model_id)
    embed(reembedding)
    build_indexes(beside(engine, new_id), threshold=100)
    swap(engine, reembedding)
    similar(engine, as_new("Tee/0/000007.jpg"), labels=["Tee"], n=5, model_id=new_id)
    drop_generation(engine, model_id)
    answer = similar(engine, query, labels=["Blazer"], n=5, model_id=new_id)
    fresh = open_engine(engine.url.render_as_string(hide_password=False))
    assert answer == similar(fresh, query, labels=["Blazer"], n=5, model_id=new_id)
    assert len(answer[0]) == 5
    fresh.dispose()


def test_photos_that_cannot_be_read_hinder_the_swap_until_it_is_decided(
    engine, model_id, new_id, reembedding
):
    lost, *_ = reembedding.left(after=0, rows=1)
    reembedding.write([], [(lost, "It is gone.")])
    embed(reembedding)
    assert [(u.id, u.reason) for u in unread_of(engine, new_id)] == [(lost.id, "It is gone.")]
    with pytest.raises(SwitchRefused, match="1 garments cannot be read"):
        swap(engine, reembedding)
    assert serving_id(engine) == model_id
    swap(engine, reembedding, forget_unread=True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM garment")) == COUNT + 19


def test_one_process_works_on_generations_at_a_time(engine):
    with only_switcher(engine), pytest.raises(SwitchRunning), only_switcher(engine):
        pass
    with only_switcher(engine):
        pass


def test_a_table_of_an_earlier_shape_is_begun_anew(engine, new_id, reembedding):
    embed(reembedding)
    execute(engine, "ALTER TABLE garment ADD season text")
    make_generation(engine, new_id)
    assert Reembedding(engine, new_id).count_left() == COUNT + 20


def test_going_down_asks_for_what_is_kept_to_be_dropped(engine, new_id, reembedding):
    with pytest.raises(DowngradeRefused, match=r"new@1.*models drop"):
        migrate(engine, "0005")


def test_a_category_that_a_kept_model_has_stays_with_it(engine, model_id, reembedding):
    embed(reembedding)
    swap(engine, reembedding)
    third = register(engine, **NEW | {"name": "third", "content_sha256": "33" * 32})
    beside = make_generation(engine, third)
    with beside.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO garment OVERRIDING SYSTEM VALUE SELECT * FROM public.garment WHERE id = 151"
            )
        )
    execute(engine, "DELETE FROM garment WHERE label = 'Blazer'")
    drop_generation(engine, model_id)
    assert "Blazer" in category_names(engine)
    drop_generation(engine, third)
    assert "Blazer" not in category_names(engine)


def test_a_switch_that_a_kill_left_open_can_be_closed(engine, new_id):
    with only_switcher(engine):
        start_switch(engine, new_id, {})
        assert cancel_switch(engine)
        assert open_switch(engine) is not None, "whoever works on it closes it"
    assert cancel_switch(engine)
    assert open_switch(engine) is None
    assert not cancel_switch(engine)
