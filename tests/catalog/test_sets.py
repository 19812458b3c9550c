"""Uploaded sets and their most common categories."""

import uuid

import pytest
from sqlalchemy import text

from service.catalog import SetImage, delete_set, get_set, store_set, top_of, top_of_set
from service.domain import LabelCount
from service.errors import InvalidParameter, SetNotFound

IMAGES = [
    SetImage("1.jpg", "Blazer", 0.5),
    SetImage("2.jpg", error="The bytes are no complete image."),
    SetImage("3.jpg", "Dress", 0.25),
    SetImage("1.jpg", "Blazer", 0.75),
    SetImage("4.jpg", "Tee", 1.0),
    SetImage("5.jpg", None, 0.375),  # no garment recognised
]


def test_a_set_comes_back_in_its_order(engine, model_id):
    stored = get_set(engine, store_set(engine, model_id, IMAGES))
    assert stored.images == tuple(IMAGES)
    assert stored.model == "tiny@1"
    assert stored.images[0].as_dict() == {
        "filename": "1.jpg",
        "label": "Blazer",
        "confidence": 0.5,
        "recognised": True,
    }
    assert stored.images[1].as_dict() == {
        "filename": "2.jpg",
        "error": "The bytes are no complete image.",
    }
    assert stored.images[5].as_dict() == {
        "filename": "5.jpg",
        "label": None,
        "confidence": 0.375,
        "recognised": False,
    }


def test_top_counts_labelled_images_and_breaks_ties_in_the_models_order(engine, model_id):
    expected = [
        LabelCount("Blazer", 2, 0.5),
        LabelCount("Tee", 1, 0.25),
        LabelCount("Dress", 1, 0.25),
    ]
    set_id = store_set(engine, model_id, IMAGES)
    labels = [image.label for image in IMAGES if image.label is not None]
    assert top_of_set(engine, set_id) == top_of(engine, labels) == expected
    assert top_of_set(engine, str(set_id), 2) == top_of(engine, labels, 2) == expected[:2]
    assert top_of_set(engine, set_id, 99) == expected


def test_a_set_without_labelled_images_has_no_top(engine, model_id):
    assert top_of_set(engine, store_set(engine, model_id, [IMAGES[1]])) == []
    assert top_of_set(engine, store_set(engine, model_id, [])) == []
    assert top_of(engine, []) == []


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_1(engine, model_id, k):
    with pytest.raises(InvalidParameter, match="k is"):
        top_of(engine, ["Tee"], k)


@pytest.mark.parametrize("set_id", [uuid.uuid4(), "7", "", "x' OR true"])
@pytest.mark.parametrize("call", [get_set, top_of_set, delete_set])
def test_an_unknown_set_is_refused(engine, call, set_id):
    with pytest.raises(SetNotFound):
        call(engine, set_id)


def test_a_deleted_set_takes_its_images_along(engine, model_id):
    set_id = store_set(engine, model_id, IMAGES)
    delete_set(engine, set_id)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM upload")) == 0
    with pytest.raises(SetNotFound):
        get_set(engine, set_id)
