"""The points of a curve, and the braille that is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from screens.widgets.braille import cells, column_range, strokes
from screens.widgets.series import Curve, smooth


def test_points_are_appended_one_by_one_and_in_arrays() -> None:
    curve = Curve()
    for step in range(300):
        curve.append(step, step * 2)
    curve.append(np.arange(300, 1000), np.arange(300, 1000) * 2)
    assert curve.x.tolist() == list(range(1000))
    assert curve.y.tolist() == list(range(0, 2000, 2))


def test_a_point_that_goes_back_drops_what_came_after_it() -> None:
    curve = Curve()
    curve.append(range(10), range(10))
    curve.append(4, -1)
    assert curve.x.tolist() == [0, 1, 2, 3, 4]
    assert curve.y.tolist() == [0, 1, 2, 3, -1]


def test_points_in_any_order_are_sorted_and_places_that_are_none_left_out() -> None:
    curve = Curve()
    curve.set([3, float("nan"), 1, 2, float("inf")], [30, 0, 10, 20, 0])
    assert curve.x.tolist() == [1, 2, 3]
    assert curve.y.tolist() == [10, 20, 30]


def test_what_is_not_finite_or_too_large_to_draw_is_a_gap() -> None:
    curve = Curve()
    curve.set(range(5), [1, float("nan"), float("inf"), -1e305, 2])
    assert np.isnan(curve.y).tolist() == [False, True, True, True, False]


def test_as_many_x_as_y() -> None:
    with pytest.raises(ValueError, match="as many x as y; these are 2 and 1"):
        Curve().append([1, 2], [1])


def test_the_average_is_the_one_a_loop_would_find() -> None:
    y = np.random.default_rng(0).normal(size=200)
    y[[0, 50, 51, 199]] = np.nan
    total = mass = 0.0
    expected = []
    for value in y:
        total, mass = total * 0.9, mass * 0.9
        if not np.isnan(value):
            total, mass = total + value, mass + 1
        expected.append(total / mass if not np.isnan(value) else np.nan)
    np.testing.assert_allclose(smooth(y, 0.9), expected, rtol=1e-6)


def test_no_peak_is_lost_among_a_million_points() -> None:
    x = np.arange(1_000_000, dtype=np.float64)
    y = np.zeros(len(x))
    y[123_456], y[765_432] = 50, -70
    least, most = column_range(x, y, x[0], x[-1], 160)
    assert np.flatnonzero(most).tolist() == [123_456 * 160 // 1_000_000]
    assert most.max() == 50
    assert np.flatnonzero(least).tolist() == [765_432 * 160 // 1_000_000]
    assert least.min() == -70


def test_between_two_points_the_curve_is_a_line_and_none_in_a_gap() -> None:
    x, y = np.array([0.0, 10, 20, 30]), np.array([0.0, 10, np.nan, 30])
    least, most = column_range(x, y, 0, 30, 6)
    assert least.tolist()[:2] == [0, 5]
    assert most.tolist()[:2] == [5, 10]
    assert np.isnan(most[3:5]).all()
    assert most[5] == 30


def test_a_dot_is_where_its_value_is() -> None:
    dots = strokes(np.array([0.0, 3.0, np.nan, 1.0]), np.array([0.0, 3.0, np.nan, 2.0]), 0, 3, 4)
    assert dots.T.tolist() == [
        [False, False, False, True],
        [True, False, False, False],
        [False] * 4,
        [False, True, True, False],
    ]
    assert cells(dots).tolist() == [[0x40 | 0x08, 0x10 | 0x20]]
