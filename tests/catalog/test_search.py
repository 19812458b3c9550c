"""The similarity query against the same thing in numpy."""

import numpy as np
import pytest
from sqlalchemy import text

from service.catalog import asked_garment, build_indexes, similar
from service.errors import GarmentNotFound, InvalidParameter, LabelUnknown

from .samples import LABELS, embedding, row


def nearest(vectors: np.ndarray, query: np.ndarray, labels: tuple[str, ...], n: int) -> list[int]:
    """Ids by falling cosine, ties by id; garment i has id i + 1 and the label i modulo 3."""
    stored, asked = vectors.astype(np.float64), query.astype(np.float16).astype(np.float64)
    cosine = stored @ asked / np.linalg.norm(stored, axis=1) / np.linalg.norm(asked)
    ids = [i for i in range(len(vectors)) if LABELS[i % 3] in labels]
    return [i + 1 for i in sorted(ids, key=lambda i: (-cosine[i], i))[:n]]


@pytest.mark.parametrize("labels", [("Tee",), ("Blazer",), ("Dress", "Tee"), LABELS])
@pytest.mark.parametrize("n", [1, 9, 100])
def test_matches_are_those_of_numpy(engine, fill, labels, n):
    vectors = fill(300)
    query = embedding(1_000)

    matches, method = similar(engine, query, labels=labels, n=n)

    assert [match.id for match in matches] == nearest(vectors, query, labels, n)
    assert {match.label for match in matches} <= set(labels)
    assert method == "exact"


def test_similarity_is_the_cosine_of_the_stored_values(engine, fill):
    vectors = fill(30)
    query = embedding(1_000)
    asked = query.astype(np.float16).astype(np.float64)

    for match in similar(engine, query, labels=["Tee"], n=9)[0]:
        stored = vectors[match.id - 1].astype(np.float64)
        cosine = stored @ asked / np.linalg.norm(stored) / np.linalg.norm(asked)
        assert match.similarity == pytest.approx(cosine, abs=1e-6)
        assert match.image_path == f"{match.id - 1:06}.jpg"


def test_a_tie_goes_to_the_lower_id_also_where_n_cuts_it(engine, loader):
    loader.write([row(f"{i}.jpg", embedding=embedding(0)) for i in range(20)])
    ids = [match.id for match in similar(engine, embedding(0), labels=["Tee"], n=7)[0]]
    assert ids == list(range(1, 8))


def test_a_garment_never_matches_itself(engine, fill):
    fill(30)
    matches, _ = similar(engine, 4, labels=["Tee"], n=100)
    assert len(matches) == 9
    assert 4 not in {match.id for match in matches}
    assert similar(engine, embedding(3), labels=["Tee"], n=1)[0][0].id == 4


def test_an_excluded_garment_makes_room_for_the_next(engine, fill):
    vectors = fill(30)
    first, second = nearest(vectors, embedding(5), ("Dress",), 2)
    matches, _ = similar(engine, embedding(5), labels=["Dress"], n=1, exclude=[first])
    assert matches[0].id == second


def test_among_those_of_the_shops_own_table_it_is_numpys(engine, fill):
    vectors, query = fill(300), embedding(1_000)
    with engine.begin() as connection:
        connection.execute(
            text("""CREATE TABLE among_even AS
                    SELECT image_path FROM garment, generate_series(1, 2) WHERE id % 2 = 0
                    UNION ALL VALUES (NULL), ('elsewhere.jpg')""")
        )
    wanted = [i for i in nearest(vectors, query, LABELS, 300) if i % 2 == 0]
    found = [match.id for match in similar(engine, query, labels=LABELS, n=100, among="even")[0]]
    assert found == wanted[:100]
    neighbours, _ = similar(engine, found[0], labels=LABELS, n=100, among="even")
    assert len(neighbours) == 100
    assert found[0] not in {match.id for match in neighbours}


def test_garments_of_the_querys_own_bytes_make_room_for_the_next(engine, loader):
    twins, others = "ab" * 32, "ef" * 32
    loader.write(
        [
            row(f"{i}.jpg", embedding=embedding(i), content_sha256=twins if i < 2 else others)
            for i in range(9)
        ]
    )
    found = similar(engine, embedding(1), labels=["Tee"], n=9, content=twins)[0]
    assert {match.image_path for match in found} == {f"{i}.jpg" for i in range(2, 9)}
    assert len(similar(engine, embedding(1), labels=["Tee"], n=9)[0]) == 9


def test_matches_below_min_similarity_are_left_out(engine, fill):
    fill(90)
    every = similar(engine, embedding(0), labels=LABELS, n=100)[0]
    floor = every[10].similarity
    assert (
        similar(engine, embedding(0), labels=LABELS, n=100, min_similarity=floor)[0] == every[:11]
    )
    assert similar(engine, -embedding(0), labels=LABELS, n=9, min_similarity=0.5)[0] == ()


def test_a_label_named_twice_is_searched_once(engine, fill):
    fill(9)
    ids = [match.id for match in similar(engine, embedding(0), labels=["Tee", "Tee"], n=9)[0]]
    assert sorted(ids) == [1, 4, 7]


def test_an_empty_catalog_has_no_matches(engine, model_id):
    assert similar(engine, embedding(0), labels=LABELS, n=9)[0] == ()


@pytest.mark.parametrize("n", [0, -1, 101])
def test_n_is_from_1_to_100(engine, model_id, n):
    with pytest.raises(InvalidParameter, match=f"n is {n}; it must be from 1 to 100"):
        similar(engine, embedding(0), labels=["Tee"], n=n)


@pytest.mark.parametrize("floor", [-1.1, 1.1, float("nan")])
def test_min_similarity_is_a_cosine(engine, model_id, floor):
    with pytest.raises(InvalidParameter, match="min_similarity"):
        similar(engine, embedding(0), labels=["Tee"], n=1, min_similarity=floor)


def test_an_unknown_label_is_refused_with_the_known_ones(engine, model_id):
    with pytest.raises(LabelUnknown, match=r"'Sari'\. Choose among Tee, Dress, Blazer"):
        similar(engine, embedding(0), labels=["Tee", "Sari"], n=9)


def test_no_label_is_refused(engine, model_id):
    with pytest.raises(InvalidParameter):
        similar(engine, embedding(0), labels=[], n=9)


@pytest.mark.parametrize("query", [np.zeros(2048), np.full(2048, np.nan), np.ones(7)])
def test_a_query_without_direction_is_refused(engine, model_id, query):
    with pytest.raises(InvalidParameter, match="cannot be compared"):
        similar(engine, query, labels=["Tee"], n=9)


def test_an_unknown_garment_is_refused(engine, model_id):
    with pytest.raises(GarmentNotFound, match="99"):
        similar(engine, 99, labels=["Tee"], n=9)


def test_an_embedding_comes_back_as_it_was_stored(engine, fill):
    vectors = fill(3)
    stored = asked_garment(engine, 2).embedding
    assert stored.dtype == np.float16
    assert np.array_equal(stored, vectors[1])


def test_a_label_is_a_value_and_never_sql(engine, model_id):
    with pytest.raises(LabelUnknown):
        similar(engine, embedding(0), labels=["Tee' OR true --"], n=9)


def test_a_replaced_embedding_is_the_one_that_is_found(engine, loader):
    loader.write([row("a.jpg", embedding=embedding(1)), row("b.jpg", embedding=embedding(2))])
    loader.write([row("a.jpg", embedding=embedding(3))])
    match = similar(engine, embedding(3), labels=["Tee"], n=1)[0][0]
    assert (match.id, match.similarity) == (1, pytest.approx(1, abs=1e-6))


def test_a_query_that_is_like_nothing_asks_for_more_candidates_than_pgvector_takes_at_once(
    engine, shelve
):
    shelve("Tee", 1200)
    build_indexes(engine, threshold=1000)
    query = embedding(7)
    found, method = similar(engine, query, labels=["Tee"], n=9)
    true, _ = similar(engine, query, labels=["Tee"], n=9, exact=True)
    assert method == "hnsw"
    assert len(found) == len(true) == 9
