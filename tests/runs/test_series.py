"""The curve of a run that may be ten million steps long."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.runs import series as series_module
from core.runs.series import Series


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves that are bundled from the seventeenth point on."""
    monkeypatch.setattr(series_module, "KEPT", 16)


def grown(values: np.ndarray) -> Series:
    series = Series()
    for step, value in enumerate(values):
        series.append(step, float(value))
    return series


def test_a_short_curve_is_kept_as_it_is() -> None:
    points = grown(np.arange(5) / 2).points()
    assert points.steps.tolist() == [0, 1, 2, 3, 4]
    assert (
        points.low.tolist() == points.high.tolist() == points.mean.tolist() == [0, 0.5, 1, 1.5, 2]
    )


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("length", [17, 100, 1000, 1023, 4096])
def test_of_a_long_one_neighbours_make_a_bundle_and_no_peak_is_lost(length: int) -> None:
    values = np.random.default_rng(0).normal(size=length)
    series = grown(values)
    points = series.points()
    assert 8 <= len(points.steps) <= 16 + series.each
    assert np.all(np.diff(points.steps) > 0)
    assert points.low.min() == values.min()
    assert points.high.max() == values.max()
    for at, start in enumerate(points.steps[:-1].astype(int)):
        inside = values[start : int(points.steps[at + 1])]
        assert points.low[at] == inside.min()
        assert points.high[at] == inside.max()
        assert points.mean[at] == pytest.approx(inside.mean())


@pytest.mark.usefixtures("few")
def test_a_bundle_of_nothing_but_nan_is_a_gap() -> None:
    values = np.ones(64)
    values[:9], values[20] = math.nan, math.nan
    points = grown(values).points()
    assert np.isnan(points.mean[:2]).all()
    assert not np.isnan(points.mean[3:]).any()


@pytest.mark.usefixtures("few")
def test_a_resumed_run_takes_back_bundles_and_points() -> None:
    series = grown(np.arange(100.0))
    series.take_back(50)
    steps = series.points().steps
    assert steps[-1] <= 50
    before = series.changes
    series.append(51, -1.0)
    assert series.changes > before
    assert series.points().steps[-1] == 51
    series.take_back(-1)
    assert len(series.points().steps) == 0
    assert series.last is None


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("length", [0, 5, 100])
def test_what_is_kept_in_a_file_goes_on_growing_alike(length: int) -> None:
    series = grown(np.arange(float(length)))
    again = Series.from_arrays(series.arrays())
    for step in range(length, length + 40):
        series.append(step, 1.0)
        again.append(step, 1.0)
    for one, other in zip(series.points(), again.points(), strict=True):
        np.testing.assert_array_equal(one, other)
