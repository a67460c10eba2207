"""Round values beside a chart."""

from __future__ import annotations

import math

import pytest

from screens.widgets.axes import decades, labels, log_labels, ticks


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 10, 5, [0, 5, 10]),
        (0, 10, 6, [0, 2, 4, 6, 8, 10]),
        (-1, 1, 5, [-1, -0.5, 0, 0.5, 1]),
        (0.13, 0.17, 4, [0.14, 0.16]),
        (5, 5, 4, []),
        (0, math.inf, 4, []),
        (math.nan, 1, 4, []),
        (0, 1, 0, []),
    ],
)
def test_ticks(low: float, high: float, most: int, expected: list[float]) -> None:
    assert ticks(low, high, most) == pytest.approx(expected)


@pytest.mark.parametrize("low", [-1e300, -3.7, 0, 1e-12, 12345.6])
@pytest.mark.parametrize("span", [1e-6, 0.3, 7, 1e9, 1e300])
@pytest.mark.parametrize("most", [2, 5, 9])
def test_ticks_lie_between_the_ends_and_are_never_too_many(
    low: float, span: float, most: int
) -> None:
    found = ticks(low, low + span, most)
    slack = span * 1e-6 + abs(low) * 1e-9
    assert len(found) <= most
    assert all(low - slack <= value <= low + span + slack for value in found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([0.0], ["0"]),
        ([0.0, 0.5, 1.0], ["0.0", "0.5", "1.0"]),
        ([0, 200, 400], ["0", "200", "400"]),
        ([12000, 12500], ["12.0k", "12.5k"]),
        ([0, 5e6], ["0", "5M"]),
        ([-100, -99.5], ["-100.0", "-99.5"]),
        ([1e-5, 2e-5], ["1e-05", "2e-05"]),
        ([1234567.001, 1234567.002], ["1234567.001", "1234567.002"]),
        ([1e15, 1e15 + 1], ["1000000000000000", "1000000000000001"]),
        ([1.0, 1 + 1e-10], ["1.0000000000", "1.0000000001"]),
    ],
)
def test_labels_tell_values_apart(values: list[float], expected: list[str]) -> None:
    assert labels(values) == expected


def test_a_log_axis_counts_in_decades_and_between_them_as_any_other() -> None:
    assert log_labels(decades(-3, 6, 4)) == ["0.001", "1", "1k", "1M"]
    assert log_labels(decades(3.05, 3.2, 4)) == ["1.2k", "1.3k", "1.4k", "1.5k"]
    assert log_labels(decades(299.9, 300.4, 3)) == ["1e+300", "2e+300"]
