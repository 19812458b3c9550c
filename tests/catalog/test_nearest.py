"""The neighbours of all rows at once, against the plain way."""

import numpy as np
import pytest

from service.catalog.analysis.nearest import nearest_of_all

from .samples import clustered


def plainly(embeddings, k):
    """Places and cosines of the k nearest, by comparing all with all."""
    unit = embeddings.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    places = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return places, np.take_along_axis(cosines, places, 1)


def at_once(embeddings, k):
    blocks = list(nearest_of_all(embeddings, k))
    assert [block.start for block in blocks] == list(
        np.cumsum([0, *(len(block.places) for block in blocks)])[:-1]
    )
    return (
        np.concatenate([block.places for block in blocks]),
        np.concatenate([block.cosines for block in blocks]),
    )


@pytest.mark.parametrize("rows", [2, 5, 11, 300, 2100])
def test_all_neighbours_are_found_however_many_rows(rows):
    embeddings = clustered(rows, 3).astype(np.float16)
    places, cosines = at_once(embeddings, 10)
    right, highest = plainly(embeddings, min(10, rows - 1))
    assert cosines == pytest.approx(highest, abs=2e-6)
    assert (places == right).mean() > 0.99  # of two as near, either


def test_copies_are_neighbours_of_each_other_with_cosine_1():
    embeddings = clustered(200, 1).astype(np.float16)
    embeddings[[7, 70, 170]] = embeddings[3]
    places, cosines = at_once(embeddings, 10)
    assert set(places[70, :3]) == {3, 7, 170}
    assert cosines[70, :3] == pytest.approx([1, 1, 1], abs=1e-6)
    assert all(at not in row for at, row in enumerate(places))


def test_one_row_and_none_have_no_neighbours():
    (block,) = nearest_of_all(clustered(1, 0).astype(np.float16), 10)
    assert (block.start, block.places.shape, block.cosines.shape) == (0, (1, 0), (1, 0))
    assert list(nearest_of_all(np.empty((0, 2048), np.float16), 10)) == []
