"""What neighbours say, on small examples that can be checked by hand."""

import numpy as np
import pytest

from service.catalog.analysis.judgements import (
    LEVELS,
    duplicate_groups,
    isolation,
    thresholds,
    votes,
)


def test_the_most_frequent_other_label_is_suggested_and_of_two_the_nearer():
    labels = np.array([0, 1, 1, 2, 2, 0])
    places = np.array([[3, 1, 2, 4], [2, 0, 3, 5], [1, 1, 1, 1]])
    found = votes(np.concatenate([labels]), np.vstack([places, places]))
    assert found.same[:3].tolist() == [0, 1, 4]
    assert found.suggested_label[:3].tolist() == [2, 0, -1]
    assert found.suggested[:3].tolist() == [2, 2, 0]


def test_isolation_is_measured_within_a_label():
    rng = np.random.default_rng(0)
    near, far = rng.normal(0.9, 0.01, 100), rng.normal(0.5, 0.05, 100)
    labels = np.repeat([0, 1], 100)
    nearest = np.concatenate([near, far])
    nearest[7] = 0.7
    none = np.zeros(200, bool)
    found = isolation(labels, nearest, none)
    assert found[7] > 10
    assert np.flatnonzero(found > 3.5).tolist() == [7]
    assert found[100:] == pytest.approx(isolation(labels[100:], far, none[100:]))


def test_copies_tell_nothing_of_those_that_stand_alone():
    rng = np.random.default_rng(0)
    copies = 1 + rng.normal(0, 6e-8, 60)
    nearest = np.concatenate([copies, rng.normal(0.9, 0.01, 40), [0.6]]).astype(np.float32)
    twice = np.arange(101) < 60
    found = isolation(np.zeros(101, int), nearest, twice)
    assert np.flatnonzero(found > 3.5).tolist() == [100]
    assert isolation(np.zeros(60, int), nearest[:60], twice[:60]).tolist() == [0] * 60


def test_without_spread_nothing_stands_alone():
    none = np.zeros(30, bool)
    assert isolation(np.zeros(30, int), np.full(30, 0.5), none).tolist() == [0] * 30
    assert isolation(np.zeros(0, int), np.zeros(0), none[:0]).tolist() == []


def test_duplicates_of_duplicates_are_one_group():
    places = np.array([[1], [2], [1], [4], [3], [0]])
    cosines = np.array([[0.995], [0.992], [0.992], [0.9], [0.9], [0.98]])
    assert duplicate_groups(places, cosines, 0.99).tolist() == [0, 0, 0, -1, -1, -1]
    assert duplicate_groups(np.empty((3, 0), int), np.empty((3, 0)), 0.99).tolist() == [-1] * 3


def test_a_threshold_is_the_least_similarity_that_reaches_a_precision():
    # 100 garments of label 0, one pair each; the nearer half has the right label, of the other none
    labels = np.repeat([0, 1], 100)
    places = np.where(np.arange(100) < 50, 199 - 100, 150)[:, None]
    places = np.vstack([places, np.full((100, 1), 150)])
    cosines = np.concatenate(
        [np.linspace(0.95, 0.75, 50), np.linspace(0.7, 0.5, 50), np.full(100, 0.6)]
    )
    found = thresholds(labels, np.ones(200, bool), places, cosines[:, None], below=0.99)
    mine = {one.wanted: one for one in found if one.label == 0}
    assert list(mine) == list(LEVELS)
    assert (mine[0.5].similarity, mine[0.5].pairs, mine[0.5].share) == (0.5, 100, 1.0)
    assert mine[0.99].similarity == 0.75
    assert (mine[0.99].precision, mine[0.99].pairs) == (1.0, 50)
    assert mine[0.8].precision >= 0.8
    (reached,) = {one.pairs for one in found if one.label == 1}
    assert reached == 100


def test_a_threshold_cuts_through_no_tie():
    """Twenty that are right, and of 25 that are all as near as one another five."""
    labels = np.repeat([0, 1], [45, 46])
    places = np.concatenate([np.arange(25) + 1, np.arange(20) + 45, np.full(46, 45)])[:, None]
    cosines = np.concatenate([np.full(20, 0.9), np.full(25, 0.8), np.full(46, 0.5)])
    rng = np.random.default_rng(0)
    cosines = (cosines + rng.uniform(-1, 1, 91) * 5e-8).astype(np.float32)
    found = thresholds(labels, np.ones(91, bool), places, cosines[:, None], below=0.99)
    by_level = {threshold.wanted: threshold for threshold in found if threshold.label == 0}
    assert by_level[0.5].similarity == cosines[20:45].min() == pytest.approx(0.8)
    assert by_level[0.5].pairs == 45
    assert by_level[0.5].precision == pytest.approx(25 / 45)
    for wanted in (0.6, 0.9, 0.99):
        assert by_level[wanted].similarity == cosines[:20].min() == pytest.approx(0.9)
        assert by_level[wanted].pairs == 20


def test_a_precision_that_is_never_reached_has_no_threshold():
    labels, places = np.repeat([0, 1], 30), np.repeat([[45], [0]], 30, axis=0)
    found = thresholds(labels, np.ones(60, bool), places, np.full((60, 1), 0.5), below=0.99)
    assert {(one.similarity, one.precision, one.pairs) for one in found} == {(None, None, 0)}


def test_pairs_of_labels_that_were_not_given_and_copies_tell_nothing():
    labels, places = np.zeros(60, int), np.full((60, 1), 0)
    cosines = np.full((60, 1), 0.5)
    assert thresholds(labels, np.zeros(60, bool), places, cosines, below=0.99) == []
    assert thresholds(labels, np.ones(60, bool), places, cosines + 0.495, below=0.99) == []
    assert thresholds(labels, np.arange(60) < 10, places, cosines, below=0.99) == []
