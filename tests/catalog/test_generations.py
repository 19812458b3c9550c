"""Another model's garments beside the serving one's, and the moment in which they take their place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service.catalog import (
    Reembedding,
    add_garment,
    beside,
    build_indexes,
    category_names,
    delete_garment,
    drop_generation,
    garment_by_id,
    has_generation,
    make_generation,
    migrate,
    only_switcher,
    register,
    relabel_garment,
    serving_id,
    shelves,
    similar,
    swap,
    unread_of,
)
from service.errors import (
    BundleMismatch,
    DatabaseUnfit,
    DowngradeRefused,
    ModelMoved,
    SwitchRefused,
    SwitchRunning,
)

from .samples import BUNDLE, clustered, row
from .schema import SCHEMA
from .test_schema import test_alembic_finds_nothing_to_change

NEW = BUNDLE | {"name": "new", "content_sha256": "11" * 32, "labels": ("Dress", "Tee", "Robe")}
COUNT = 150


def as_new(path: str) -> np.ndarray:
    """What the new model says of a photo: nothing like the old one's."""
    seed = int.from_bytes(path.encode()[-8:], "big")
    return clustered(1, seed)[0]


def answer(left, label="Tee"):
    """As the new model would store a garment: what it is given stays, what is predicted is `label`."""
    return row(
        left.image_path,
        label=left.label if left.label_source == "given" else label,
        label_source=left.label_source,
        predicted_label=label,
        embedding=as_new(left.image_path),
        content_sha256=left.content_sha256,
    )


def embed(reembedding):
    """Show all that is left to the new model; returns the paths."""
    seen = []
    while batch := reembedding.left(after=0, rows=64):
        reembedding.write([answer(left) for left in batch], [])
        seen += [left.image_path for left in batch]
    return seen


@pytest.fixture
def new_id(engine, model_id):
    return register(engine, **NEW)


@pytest.fixture
def stocked(engine, shelve, loader):
    """Tees that were predicted, and Blazers that were given."""
    vectors = shelve("Tee", COUNT)
    given = clustered(20, seed=5)
    loader.write(
        [
            row(f"given/{i}.jpg", label="Blazer", label_source="given", embedding=vector)
            for i, vector in enumerate(given)
        ]
    )
    return vectors


@pytest.fixture
def reembedding(engine, stocked, new_id):
    make_generation(engine, new_id)
    return Reembedding(engine, new_id)


def shape(engine):
    with engine.connect() as connection:
        return {part: connection.execute(text(query)).all() for part, query in SCHEMA.items()}


def execute(engine, statement, **values):
    with engine.begin() as connection:
        return connection.execute(text(statement), values)


def nearest(engine, vector, **options):
    matches, method = similar(engine, vector, labels=["Tee"], n=5, **options)
    return [(match.id, match.image_path) for match in matches], method


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
    assert build_indexes(beside(engine, new_id), threshold=50) == ["Tee"]
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
    swap(engine, reembedding, catch_up=lambda: embed(reembedding))
    with engine.connect() as connection:
        found = connection.scalar(
            text("SELECT id FROM garment WHERE image_path = 'Tee/0/000000.jpg'")
        )
    assert found > COUNT


def test_a_swap_waits_for_what_is_left(engine, loader, reembedding):
    seen = []
    swap(engine, reembedding, catch_up=lambda: seen.extend(embed(reembedding)))
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


def test_a_swap_holds_queries_up_for_moments_only(engine, reembedding):
    """A long reader keeps the swap out, and the swap never keeps others waiting behind it."""
    embed(reembedding)
    with engine.connect() as reader, ThreadPoolExecutor(1) as pool:
        reader.execute(text("SELECT count(*) FROM garment"))  # in a transaction that stays open
        swapping = pool.submit(swap, engine, reembedding)
        waits = []
        for _ in range(20):
            with engine.connect() as other:
                other.execute(text("SET statement_timeout = '5s'"))
                waits.append(
                    other.scalar(
                        text(
                            "SELECT extract(epoch FROM clock_timestamp() - now()) FROM garment LIMIT 1"
                        )
                    )
                )
        assert not swapping.done()
        reader.rollback()
        swapping.result(30)
    assert max(map(float, waits)) < 2


def test_under_load_no_answer_mixes_two_models(engine, model_id, new_id, stocked, reembedding):
    """Both models' queries, garments' own queries and writes, while the models take turns to serve."""
    build_indexes(engine, threshold=50)
    embed(reembedding)
    build_indexes(beside(engine, new_id), threshold=50)
    numbers = range(0, COUNT, 10)
    queries = {
        model_id: {i: stocked[i] for i in numbers},
        new_id: {i: as_new(f"Tee/0/{i:06}.jpg") for i in numbers},
    }

    def found(vector_or_id, model):
        matches, _ = similar(engine, vector_or_id, labels=["Tee"], n=5, model_id=model)
        return [(match.id, round(match.similarity, 4)) for match in matches]

    truth = {m: {i: found(v, m) for i, v in of.items()} for m, of in queries.items()}
    assert truth[model_id] != truth[new_id]
    own = {}
    for m, where in ((model_id, engine), (new_id, beside(engine, new_id))):
        own[m] = {
            i: [
                (x.id, round(x.similarity, 4))
                for x in similar(where, i + 1, labels=["Tee"], n=5)[0]
            ]
            for i in numbers
        }
    stop, wrong, asked = threading.Event(), [], []

    def ask(turn):
        rng = np.random.default_rng(turn)
        while not stop.is_set():
            m, i = int(rng.choice([model_id, new_id])), int(rng.choice(list(numbers)))
            if found(queries[m][i], m) != truth[m][i]:
                wrong.append((m, i))
            garment = garment_by_id(engine, i + 1)
            try:
                if found(i + 1, garment.model_id) != own[garment.model_id][i]:
                    wrong.append(("own", garment.model_id, i))
            except ModelMoved:  # between the two questions: whoever asks reads the garment again
                pass
            asked.append(m)

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, turn) for turn in range(3)]
        try:
            for turn in range(12):
                swap(engine, Reembedding(engine, [new_id, model_id][turn % 2]))
        finally:
            stop.set()
        for thread in asking:
            thread.result(60)
    assert wrong == []
    assert {model_id, new_id} == set(asked)
