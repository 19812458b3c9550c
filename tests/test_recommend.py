"""The gate and the answers, against what numpy says of the same embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service.catalog import delete_garment, random_garment
from service.domain import Garment, LabelConfidence
from service.errors import CatalogEmpty, GarmentNotFound, InvalidParameter, LabelUnknown
from service.ingest import ingest
from service.labels import given_label, number_or_name, spelt
from service.recommend import (
    ATTEMPTS,
    Query,
    labels_to_search,
    similar_to_garment,
    similar_to_photo,
    top_categories,
)
from service.studio import Studio

KNOWN = ("Tee", "Top", "Dress")
SCORED = tuple(LabelConfidence(n, c) for n, c in (("Top", 0.6), ("Dress", 0.3), ("Tee", 0.1)))


@pytest.mark.parametrize(
    ("query", "searched"),
    [
        (Query(), ("Top",)),
        (Query(mass=0.5), ("Top",)),
        (Query(mass=0.85), ("Top", "Dress")),
        (Query(mass=1.0), ("Top", "Dress", "Tee")),
        (Query(label="any"), KNOWN),
        (Query(label="dress"), ("Dress",)),
        (Query(label="Tee, Dress,tee"), ("Tee", "Dress")),
        (Query(label=" auto ", mass=0.85), ("Top", "Dress")),
    ],
)
def test_the_gate(query: Query, searched: tuple[str, ...]) -> None:
    assert labels_to_search(SCORED, query, KNOWN) == searched


def test_a_label_with_a_comma_can_be_named_alone() -> None:
    known = ("Coats, Jackets", "Coats", "Tee")
    assert labels_to_search(SCORED, Query(label="coats, jackets "), known) == known[:1]
    assert labels_to_search(SCORED, Query(label="coats, tee"), known) == known[1:]


def test_an_unknown_label_names_the_known_ones() -> None:
    with pytest.raises(LabelUnknown, match="'Trousers' is none of the labels: Tee, Top, Dress"):
        labels_to_search(SCORED, Query(label="Tee,Trousers"), KNOWN)


@pytest.mark.parametrize(
    "options",
    [
        {"n": 0},
        {"n": 101},
        {"mass": 0.0},
        {"mass": 1.1},
        {"mass": 0.5, "label": "any"},
        {"min_similarity": 2.0},
    ],
)
def test_senseless_queries_are_refused(options: dict) -> None:
    with pytest.raises(InvalidParameter):
        Query(**options)


def everything(studio: Studio) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ids, labels, embeddings normalised) of the catalog, as stored."""
    with studio.engine.connect() as connection:
        found = connection.execute(
            text("SELECT id, label, embedding FROM garment ORDER BY id")
        ).all()
    matrix = np.array([row.embedding.to_list() for row in found], np.float64)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.array([r.id for r in found]), np.array([r.label for r in found]), matrix


def of_content(studio: Studio, sha256: str) -> int:
    """The one garment whose picture has these bytes."""
    with studio.engine.connect() as connection:
        return connection.execute(
            text("SELECT id FROM garment WHERE content_sha256 = :digest"),
            {"digest": bytes.fromhex(sha256)},
        ).scalar_one()


@pytest.mark.parametrize("label", ["auto", "any", "Dress,Romper"])
def test_a_photo_finds_what_numpy_finds(studio: Studio, drawn: Path, label: str) -> None:
    ingest(studio, drawn / "garments.csv")
    photo = sorted(drawn.glob("images/*.jpg"))[4]
    image = studio.decode(photo.read_bytes())
    prediction = studio.predict(image)
    answer = similar_to_photo(studio, image, Query(n=9, label=label))
    ids, labels, matrix = everything(studio)
    itself = ids == of_content(studio, image.sha256)
    assert itself.sum() == 1
    query = prediction.embedding.astype(np.float16).astype(np.float64)
    cosines = matrix @ (query / np.linalg.norm(query))
    cosines[itself | ~np.isin(labels, answer.searched_labels)] = -2
    best = np.lexsort((ids, -cosines))[: len(answer.matches)]
    assert [m.similarity for m in answer.matches] == pytest.approx(cosines[best].tolist(), abs=1e-3)
    assert {m.label for m in answer.matches} <= set(answer.searched_labels)
    similarities = [m.similarity for m in answer.matches]
    assert similarities == sorted(similarities, reverse=True)
    others = ~itself & np.isin(labels, answer.searched_labels)
    assert len(answer.matches) == min(9, int(others.sum()))


def test_a_garment_never_matches_itself(studio: Studio, drawn: Path) -> None:
    ingest(studio, drawn / "garments.csv")
    answer = similar_to_garment(studio, None, Query(label="any", n=100))
    garment = answer.garment
    assert garment.id not in {match.id for match in answer.matches}
    assert len(answer.matches) == 32
    assert answer.as_dict()["query"]["id"] == garment.id


def test_a_floor_of_similarity_leaves_out_the_rest(studio: Studio, drawn: Path) -> None:
    ingest(studio, drawn / "garments.csv")
    everyone = similar_to_garment(studio, 1, Query(label="any", n=32)).matches
    floor = everyone[5].similarity
    some = similar_to_garment(studio, 1, Query(label="any", n=32, min_similarity=floor)).matches
    assert [m.id for m in some] == [m.id for m in everyone if m.similarity >= floor]


def test_an_empty_catalog_says_what_to_do(studio: Studio) -> None:
    with pytest.raises(CatalogEmpty, match="fashion-studio ingest"):
        similar_to_garment(studio, None, Query())


def test_a_drawn_garment_that_is_deleted_meanwhile_is_drawn_again(
    studio: Studio, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(studio, drawn / "garments.csv")
    gone: list[int] = []

    def draw(engine: Engine) -> Garment:
        garment = random_garment(engine)
        if len(gone) < ATTEMPTS - 1:
            gone.append(garment.id)
            delete_garment(engine, garment.id)
        return garment

    monkeypatch.setattr("service.recommend.random_garment", draw)
    answer = similar_to_garment(studio, None, Query())
    assert len(gone) == ATTEMPTS - 1
    assert answer.garment.id not in gone


def test_an_unknown_id_is_named(studio: Studio) -> None:
    with pytest.raises(GarmentNotFound, match="12345"):
        similar_to_garment(studio, 12345, Query())


def test_top_counts_in_sql(studio: Studio) -> None:
    counts = top_categories(studio, ["Tee", "Dress", "Tee", "Top", "Tee", "Dress"], 2)
    assert [(c.label, c.count, c.share) for c in counts] == [
        ("Tee", 3, 0.5),
        ("Dress", 2, pytest.approx(1 / 3)),
    ]
    assert top_categories(studio, [], None) == []


def test_a_name_that_is_a_number_is_that_name() -> None:
    """A bundle that was trained on numbered categories has such names, in the order of text."""
    assert [given_label(label, KNOWN) for label in ("2", "2.0", "tOP")] == ["Dress", "Dress", "Top"]


def test_of_names_that_differ_in_case_alone_each_is_itself() -> None:
    known = ("Dress", "dress", "Tee")
    assert [spelt(name, known) for name in known] == list(known)
    assert [spelt(name, known) for name in (" dress ", "DRESS", "tee", "Sari")] == [
        "dress", "Dress", "Tee", None,
    ]  # fmt: skip


def test_a_label_is_written_so_that_it_is_read_as_itself() -> None:
    assert [number_or_name(label, KNOWN) for label in (*KNOWN[:2], "Sock")] == [0, 1, "Sock"]
    for known in (
        KNOWN,
        [str(n) for n in (0, 1, 10, 2, 3)],
        ["1", "Tee", "0.0", "Top"],
        ["7.0", "7"],
    ):
        for label in known:
            assert given_label(str(number_or_name(label, known)), known) == label
    numbered = ("0", "1", "10", "2", "3")
    assert [given_label(label, numbered) for label in ("2", "10", "1")] == ["2", "10", "1"]
    with pytest.raises(LabelUnknown):
        given_label("9", numbered)
