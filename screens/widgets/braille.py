"""Curves as braille dots: two columns and four rows of dots in each terminal cell. numpy alone.

A million points cannot be seen one by one. For each column of dots the curve's lowest and highest
value are found and joined by a vertical stroke, so that no peak is lost and a drawing costs one
pass over the points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Dots = npt.NDArray[np.bool_]
Cells = npt.NDArray[np.uint8]
Span = tuple[float, float]
Band = tuple[Floats, Floats]

DOTS_ACROSS = 2
DOTS_DOWN = 4
BLANK = "\u2800"
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)


def column_range(
    x: Floats, y: Floats | Band, low: float, high: float, columns: int
) -> tuple[Floats, Floats]:
    """The lowest and highest value of the curve through (x, y) in each of `columns` columns.

    x [n] ascends, y [n] is finite or NaN, or two such, the lower and the upper edge of a band. The
    columns divide the span from `low` to `high`, which the last one owns. Between two points the
    curve is a straight line; a NaN interrupts it. Where there is no curve both answers are NaN.
    """
    lower, upper = y if isinstance(y, tuple) else (y, y)
    edges = np.linspace(low, high, columns + 1)
    edges[-1] = high
    starts = np.searchsorted(x, edges[:-1], side="left")
    ends = np.append(starts[1:], np.searchsorted(x, high, side="right"))
    least = np.full(columns, np.nan)
    most = np.full(columns, np.nan)
    filled = starts < ends
    if filled.any():
        # Empty columns are not among the starts, so each piece runs to the next filled one.
        last = ends[filled][-1]
        least[filled] = np.fmin.reduceat(lower[:last], starts[filled])
        most[filled] = np.fmax.reduceat(upper[:last], starts[filled])
    below = _values_at(x, lower, edges)
    above = below if upper is lower else _values_at(x, upper, edges)
    least = np.fmin(least, np.fmin(below[:-1], below[1:]))
    most = np.fmax(most, np.fmax(above[:-1], above[1:]))
    return least, most


def _values_at(x: Floats, y: Floats, where: Floats) -> Floats:
    """The straight lines between the points, read at some places; NaN beside them and in gaps."""
    right = np.searchsorted(x, where, side="left")
    inside = (right > 0) & (right < len(x))
    values = np.full(len(where), np.nan)
    after = right[inside]
    x0, x1, y0, y1 = x[after - 1], x[after], y[after - 1], y[after]
    values[inside] = y0 + (y1 - y0) * ((where[inside] - x0) / (x1 - x0))
    return values


def strokes(least: Floats, most: Floats, low: float, high: float, rows: int) -> Dots:
    """Dots [rows, columns], true where a column's stroke passes; row 0 is `high`."""
    seen = ~np.isnan(least)
    scale = (rows - 1) / (high - low)
    top = np.full(len(least), rows)
    bottom = np.full(len(least), -1)
    top[seen] = np.clip(np.rint((high - most[seen]) * scale), 0, rows - 1)
    bottom[seen] = np.clip(np.rint((high - least[seen]) * scale), 0, rows - 1)
    row = np.arange(rows)[:, None]
    dots: Dots = (row >= top) & (row <= bottom)
    return dots


def cells(dots: Dots) -> Cells:
    """Braille patterns [rows / 4, columns / 2]; 0x2800 more is the character, 0 an empty cell."""
    rows, columns = dots.shape
    blocks = dots.reshape(rows // DOTS_DOWN, DOTS_DOWN, columns // DOTS_ACROSS, DOTS_ACROSS)
    patterns: Cells = (blocks * _BITS[None, :, None, :]).sum(axis=(1, 3), dtype=np.uint8)
    return patterns


def curve(
    x: Floats, y: Floats | Band, *, span: Span, bounds: Span, width: int, height: int
) -> Cells:
    """The patterns [height, width] of a curve: the width shows `span` of x, the height `bounds`."""
    least, most = column_range(x, y, *span, width * DOTS_ACROSS)
    return cells(strokes(least, most, *bounds, height * DOTS_DOWN))
