"""The expected calibration error, against the same sum written out."""

import itertools

import numpy as np
import pytest

from core.evaluation.calibration import BINS, expected_error, reliability


def by_hand(confidence, right):
    edges = np.linspace(0, 1, BINS + 1)
    error = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


def test_it_is_the_weighted_gap_between_confidence_and_right():
    chance = np.random.default_rng(1)
    confidence = chance.uniform(0.01, 1, 500)
    right = chance.random(500) < confidence**2
    bins = reliability(confidence, right)
    assert expected_error(bins) == pytest.approx(by_hand(confidence, right))
    assert expected_error(bins) > 0.1
    assert sum(each["rows"] for each in bins) == 500


def test_who_is_as_sure_as_right_has_hardly_an_error():
    chance = np.random.default_rng(2)
    confidence = chance.uniform(0, 1, 50_000)
    honest = expected_error(reliability(confidence, chance.random(50_000) < confidence))
    boastful = expected_error(reliability(np.full(1000, 0.95), np.arange(1000) < 600))
    assert honest < 0.01
    assert boastful == pytest.approx(0.35)


def test_the_edges_belong_to_a_bin_and_an_empty_one_knows_nothing():
    bins = reliability(np.array([0.0, 1.0]), np.array([False, True]))
    assert [each["rows"] for each in bins] == [1, *[0] * (BINS - 2), 1]
    assert bins[3]["accuracy"] is None
    assert expected_error(bins) == 0
    assert expected_error(reliability(np.empty(0), np.empty(0, bool))) == 0
