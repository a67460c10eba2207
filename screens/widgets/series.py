"""The points of a curve as they come, in order, and their moving average."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from screens.widgets.braille import Floats

LARGEST = 1e300  # beyond it the height of a chart is no float; such a value counts as infinite
SMOOTHING = 0.9


class Curve:
    """One growing series: x ascends, and what is not finite in y is a gap (NaN).

    A point may stand for many, which lie between `low` and `high` around `y`.
    """

    def __init__(self) -> None:
        self._points = np.empty((2, 256))
        self._length = 0
        self._between: tuple[Floats, Floats] | None = None

    def __len__(self) -> int:
        return self._length

    @property
    def x(self) -> Floats:
        return self._points[0, : self._length]

    @property
    def y(self) -> Floats:
        return self._points[1, : self._length]

    @property
    def bundled(self) -> bool:
        """Whether a point stands for many."""
        return self._between is not None

    @property
    def low(self) -> Floats:
        return self.y if self._between is None else self._between[0]

    @property
    def high(self) -> Floats:
        return self.y if self._between is None else self._between[1]

    def append(self, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Add points (numbers or arrays of one length). One that goes back in x drops what came
        after it, as a run does that goes on from a checkpoint."""
        xs, ys = _pair(x, y)
        if not len(xs):
            return
        self._between = None
        if self._length and xs[0] <= self._points[0, self._length - 1]:
            self._length = int(np.searchsorted(self.x, xs[0], side="left"))
        needed = self._length + len(xs)
        if needed > self._points.shape[1]:
            grown = np.empty((2, max(needed, 2 * self._points.shape[1])))
            grown[:, : self._length] = self._points[:, : self._length]
            self._points = grown
        self._points[0, self._length : needed] = xs
        self._points[1, self._length : needed] = ys
        self._length = needed

    def set(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        between: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> None:
        """Replace all points; `between` are the lowest and the highest value that each stands for,
        at places that ascend."""
        xs, ys = _pair(x, y)
        self._points = np.stack([xs, ys]) if len(xs) else np.empty((2, 256))
        self._length = len(xs)
        low, high = (None, None) if between is None else (_gapped(each) for each in between)
        self._between = None
        if low is not None and high is not None:
            if not len(low) == len(high) == len(xs):
                raise ValueError("a curve needs as many low and high values as x")
            self._between = (low, high)


def _pair(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
    xs: Floats = np.atleast_1d(np.asarray(x, dtype=np.float64)).ravel()
    ys = _gapped(y)
    if len(xs) != len(ys):
        raise ValueError(f"a curve needs as many x as y; these are {len(xs)} and {len(ys)}")
    places = np.abs(xs) <= LARGEST
    if not places.all():
        xs, ys = xs[places], ys[places]
    if len(xs) > 1 and (np.diff(xs) < 0).any():
        order: npt.NDArray[Any] = np.argsort(xs, kind="stable")
        xs, ys = xs[order], ys[order]
    return xs, ys


def _gapped(y: npt.ArrayLike) -> Floats:
    """The values, with NaN for all that has no height on a chart."""
    ys: Floats = np.atleast_1d(np.array(y, dtype=np.float64)).ravel()
    ys[~(np.abs(ys) <= LARGEST)] = np.nan
    return ys


def smooth(y: Floats, weight: float) -> Floats:
    """The exponential moving average of y [n], free of the bias of its start; NaN stays a gap.

    `weight` (0 to 1) is how much of the past is kept at each point. Computed by doubling the reach
    of the sum until what lies further back no longer counts, so it costs a few passes for any n.
    """
    known = ~np.isnan(y)
    total = np.where(known, y, 0.0)
    mass = known.astype(np.float64)
    reach, kept = 1, weight
    while reach < len(y) and kept > 1e-9:
        total[reach:] += kept * total[:-reach].copy()
        mass[reach:] += kept * mass[:-reach].copy()
        reach, kept = reach * 2, kept * kept
    average = np.full(len(y), np.nan)
    np.divide(total, mass, out=average, where=known)
    return average


class Series:
    """One curve, its place in the palette, and its average as long as it holds."""

    def __init__(self, name: str, slot: int) -> None:
        self.name = name
        self.slot = slot
        self.curve = Curve()
        self._average: Floats | None = None

    def changed(self) -> None:
        self._average = None

    def shown(self, *, smoothed: bool) -> Floats:
        if not smoothed:
            return self.curve.y
        if self._average is None:
            self._average = smooth(self.curve.y, SMOOTHING)
        return self._average

    def nearest(self, x: float) -> int | None:
        """The point nearest to a value of x."""
        xs = self.curve.x
        if not len(xs):
            return None
        after = int(np.searchsorted(xs, x))
        beside = (max(after - 1, 0), min(after, len(xs) - 1))
        return min(beside, key=lambda i: abs(float(xs[i]) - x))
