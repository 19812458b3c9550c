"""One model bundle to a catalog."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.catalog import (
    Loader,
    SetImage,
    attach,
    category_names,
    has_generation,
    known_models,
    make_generation,
    only_switcher,
    register,
    store_set,
    top_of_set,
)
from service.catalog.loading.batches import require_serving
from service.errors import BundleMismatch

from .samples import BUNDLE, row

OTHER = BUNDLE | {"name": "other", "version": "7", "content_sha256": "00" * 32}


def serving(engine):
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT name FROM model WHERE serving")))


def test_the_first_bundle_serves_and_gives_the_categories_their_order(engine):
    attach(engine, **BUNDLE)
    assert serving(engine) == ["tiny"]
    assert category_names(engine) == ["Tee", "Dress", "Blazer"]


def test_the_same_bundle_keeps_its_id(engine, fill):
    first = attach(engine, **BUNDLE)
    fill(3)
    assert attach(engine, **BUNDLE) == first


def test_a_catalog_without_garments_takes_another_bundle_and_its_labels(engine, model_id):
    other = attach(engine, **OTHER | {"labels": ("Romper", "Tee")})
    assert other != model_id
    assert serving(engine) == ["other"]
    assert category_names(engine) == ["Romper", "Tee"]
    assert attach(engine, **BUNDLE) == model_id
    assert category_names(engine) == ["Tee", "Dress", "Blazer"]


def test_labels_that_stored_sets_use_stay(engine, model_id):
    set_id = store_set(engine, model_id, [SetImage("a.jpg", "Blazer", 0.5)])
    attach(engine, **OTHER | {"labels": ("Romper", "Tee")})
    assert set(category_names(engine)) == {"Romper", "Tee", "Blazer"}
    assert top_of_set(engine, set_id)[0].label == "Blazer"


def test_another_bundle_is_refused_while_there_are_garments(engine, fill):
    fill(1)
    with pytest.raises(BundleMismatch) as refusal:
        attach(engine, **OTHER)
    for part in ("tiny@1", "other@7", "FASHION_STUDIO_MODEL", "FASHION_STUDIO_DATABASE_URL"):
        assert part in str(refusal.value)
    assert serving(engine) == ["tiny"]


def test_embeddings_of_another_size_are_refused(engine):
    with pytest.raises(BundleMismatch, match=r"512 features.*2048"):
        attach(engine, **BUNDLE | {"feature_size": 512})


def test_processes_that_attach_at_once_agree(engine):
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: attach(engine, **BUNDLE), range(8)))
    assert len(set(ids)) == 1
    assert serving(engine) == ["tiny"]


def test_different_bundles_that_attach_at_once_leave_one_whole(engine):
    bundles = [BUNDLE, OTHER | {"labels": ("Romper",)}] * 4
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda bundle: attach(engine, **bundle), bundles))
    labels = {"tiny": ["Tee", "Dress", "Blazer"], "other": ["Romper"]}
    assert category_names(engine) == labels[serving(engine)[0]]


def test_attaching_waits_for_a_batch_that_is_being_written(engine, loader, model_id):
    """Else a model without garments could be replaced a moment before its first ones appear."""
    with engine.begin() as connection, ThreadPoolExecutor(1) as pool:
        require_serving(connection, model_id)
        attaching = pool.submit(attach, engine, **OTHER)
        with pytest.raises(TimeoutError):
            attaching.result(timeout=0.3)
        connection.execute(
            text(
                "INSERT INTO garment (image_path, label, predicted_label, label_source, confidence,"
                " content_sha256, embedding, model_id) SELECT 'a', 'Tee', 'Tee', 'given', 1,"
                " decode(repeat('00', 32), 'hex'), array_fill(1, ARRAY[2048])::halfvec, :model_id"
            ),
            {"model_id": model_id},
        )
        connection.commit()
        with pytest.raises(BundleMismatch):
            attaching.result()


def test_a_loader_writes_while_its_own_bundle_is_attached_again(engine, model_id):
    with engine.begin() as connection:
        require_serving(connection, model_id)
        assert attach(engine, **BUNDLE) == model_id
    assert Loader(engine, model_id).write([row("a.jpg")]) == (1, 0)


def test_an_emptied_catalog_forgets_what_other_models_said(engine, model_id):
    new_id = register(engine, **OTHER)
    with only_switcher(engine):
        make_generation(engine, new_id)
    assert has_generation(engine, new_id)
    attach(engine, **OTHER)
    assert not has_generation(engine, new_id)
    assert [model.served_until for model in known_models(engine)] == [None, None]
