"""Intervals: as wide as theory says, always the same, and honest about what they cannot tell."""

import numpy as np
import pytest

from core.evaluation.bootstrap import LEAST, MOST, Plan, drawn, interval, intervals, two_sided


def mean_of(values):
    return lambda counts: {"mean": float(counts @ values / counts.sum())}


def drawn_mean(values, **plan):
    (found,) = drawn(Plan(1000, **plan), len(values), [mean_of(values)])
    return found["mean"]


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(1).normal(3, 2, 400)
    low, high = interval(drawn_mean(values))
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.04)
    assert high == pytest.approx(values.mean() + half, abs=0.04)


def test_it_holds_the_truth_as_often_as_it_says():
    chance = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        found = drawn(Plan(300), 80, [mean_of(chance.normal(0, 1, 80))])
        low, high = interval(found[0]["mean"])
        held += low <= 0 <= high
    assert 180 <= held <= 197


def test_the_same_report_twice_has_the_same_intervals():
    values = np.random.default_rng(3).normal(size=50)
    assert (drawn_mean(values) == drawn_mean(values)).all()
    assert (drawn_mean(values) != drawn_mean(values, seed=1)).any()


def test_neighbours_that_are_alike_are_no_independent_rows():
    steps = np.random.default_rng(4).normal(size=400)
    smooth = np.convolve(steps, np.ones(20) / 20, "same")
    alone = np.ptp(interval(drawn_mean(smooth)))
    together = np.ptp(interval(drawn_mean(smooth, block=20)))
    assert together > 2.5 * alone
    for counts in Plan(20, block=7).resamples(10):
        assert counts.sum() == 10


def test_draws_are_fewer_where_a_score_is_costly():
    assert Plan.of(1000).draws == MOST
    assert Plan.of(10**9).draws == LEAST
    assert LEAST < Plan.of(100_000).draws < MOST


def test_what_cannot_be_told_is_not():
    assert interval(np.full(100, 1.0)) is None, "no mistake among a few rows is no proof"
    assert interval(np.array([np.nan] * 60 + [*range(40)])) is None
    assert interval(np.array([np.nan] * 40 + [*range(60)])) is not None
    assert intervals({"mean": np.arange(100.0)}, 1) == {"mean": None}


def test_the_chance_of_a_difference_is_two_sided_and_never_none():
    assert two_sided(np.full(999, 0.3)) == pytest.approx(2 / 1000)
    assert two_sided(np.array([-1.0, 1.0] * 500)) == 1.0
    assert two_sided(np.zeros(100)) == 1.0
    assert two_sided(np.array([-1.0] * 10 + [1.0] * 989)) == pytest.approx(22 / 1000)
