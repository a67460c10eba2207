"""Series on an even grid, and the windows cut out of them: what was, and what is to be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray[Any, Any]

NO_ROW = -1
LEAST_KNOWN = 0.5
"""The share of a window's past that has to be known; the rest is what was last known."""
_AT_ONCE = 4096
_MOST_EMPTY = 20
"""Places of the grid for each row; times that need more are too uneven."""


class UnevenError(ValueError):
    """The times lie on no even grid."""


@dataclass(frozen=True)
class Line:
    """One series on its grid, from its first place to its last.

    `values` float64 [n, columns], NaN where nothing is known; `rids` int64 [n] with `NO_ROW` for a
    place without a row; `inside` bool [n]: whether the row of that place is to be told.
    """

    first: int
    values: Array
    rids: Array
    inside: Array
    repeated: int
    """Rows that share a place with another one: their mean stands there."""

    @classmethod
    def lay(cls, places: Array, values: Array, rids: Array, inside: Array) -> Self:
        """Rows in any order, `places` int64 [rows].

        Raises:
            UnevenError: there would be far more places than rows.
        """
        order = np.argsort(places, kind="stable")
        places, values, rids, inside = (each[order] for each in (places, values, rids, inside))
        size = int(places[-1] - places[0]) + 1
        if size > _MOST_EMPTY * (len(places) + 10):
            raise UnevenError
        at = places - places[0]
        taken, first = np.unique(at, return_index=True)
        known = np.isfinite(values)
        grid = np.full((size, values.shape[1]), np.nan)
        for column in range(values.shape[1]):
            there = np.bincount(at, known[:, column], size)
            total = np.bincount(at, np.where(known[:, column], values[:, column], 0.0), size)
            np.divide(total, there, out=grid[:, column], where=there > 0)
        ids, within = np.full(size, NO_ROW), np.zeros(size, bool)
        ids[taken], within[taken] = rids[first], inside[first]
        return cls(int(places[0]), grid, ids, within, len(at) - len(taken))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def empty(self) -> int:
        """Places without a row."""
        return int((self.rids == NO_ROW).sum())

    def filled(self) -> Array:
        """The values, with what was last known where nothing is; 0 before anything was."""
        known = np.isfinite(self.values)
        last = np.maximum.accumulate(np.where(known, np.arange(len(self))[:, None], 0), axis=0)
        carried = np.take_along_axis(self.values, last, axis=0)
        return np.where(np.isfinite(carried), carried, 0.0)

    def origins(self, context: int, horizon: int, stride: int) -> Array:
        """Where the windows are that can be told: the index of each one's first step to come.

        All their steps to come are inside, or have no row, and one of their values is known.
        """
        if len(self) < context + horizon:
            return np.zeros(0, np.int64)
        known = np.isfinite(self.values[:, 0])
        outside = (self.rids != NO_ROW) & ~self.inside
        ahead = slice(context, len(self) - horizon + 1)
        able = _sums(known, horizon)[ahead] > 0
        able &= _sums(self.inside, horizon)[ahead] > 0
        able &= _sums(outside, horizon)[ahead] == 0
        able &= _sums(known, context)[: len(able)] >= LEAST_KNOWN * context
        at = np.flatnonzero(able) + context
        chosen: Array = at[(self.first + at) % stride == 0]
        return chosen

    def windows(self, at: Array, context: int, horizon: int) -> Iterator[tuple[Array, ...]]:
        """For origins `at`, some thousand at a time: the origins, the filled past
        [n, context, columns], the values to come [n, horizon], and the first row that has one."""
        filled = sliding_window_view(self.filled(), context, axis=0)
        ahead = sliding_window_view(self.values[:, 0], horizon)
        ids = sliding_window_view(self.rids, horizon)
        for start in range(0, len(at), _AT_ONCE):
            some = at[start : start + _AT_ONCE]
            first = np.isfinite(ahead[some]).argmax(1)
            past = filled[some - context].transpose(0, 2, 1)
            yield some, past, ahead[some], np.take_along_axis(ids[some], first[:, None], 1)[:, 0]


def _sums(flags: Array, width: int) -> Array:
    """How many are set among the `width` from each place on, int64 [n - width + 1]."""
    total = np.concatenate([[0], np.cumsum(flags)])
    sums: Array = total[width:] - total[:-width]
    return sums
