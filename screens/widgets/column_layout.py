"""Where the columns of a table stand, in cells of the terminal."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from rich.cells import cell_len

from screens.text import plain
from screens.widgets.cells import cell_text
from screens.widgets.pages import ColumnHead, Row

WIDEST_COLUMN = 40
GAP = 2


def wanted_widths(columns: Sequence[ColumnHead], rows: Sequence[Row]) -> list[int]:
    """The cells that each column needs for its head and these rows."""
    wanted = []
    for place, column in enumerate(columns):
        words = [plain(column.name), plain(column.type)]
        words += [cell_text(row[place], WIDEST_COLUMN).text for row in rows if place < len(row)]
        wanted.append(min(max(map(cell_len, words)), WIDEST_COLUMN))
    return wanted


class Span(NamedTuple):
    """Columns side by side as they are seen: `cells` of them, behind `skip` that are cut off."""

    columns: range
    skip: int
    cells: int


class ColumnLayout:
    """How wide each column is. The first `fixed` of them stand still while the others scroll."""

    def __init__(self, fixed: int = 0) -> None:
        self.widths: list[int] = []
        self.fixed = fixed
        self.edges = [0]
        """The left edge of each column, and the right edge of the last."""

    def grow(self, wanted: Sequence[int], first: int = 0) -> None:
        """Make room for columns of these widths, from column `first` on.

        Columns only grow: a number further down is not cut, and nothing jumps on the way back.
        """
        end = first + len(wanted)
        before = self.widths + [0] * (end - len(self.widths))
        self.widths = [*before[:first], *map(max, wanted, before[first:end]), *before[end:]]
        self.edges = [0, *accumulate(width + GAP for width in self.widths)]

    @property
    def unmoved(self) -> int:
        """What the fixed columns take if there is room for it."""
        return self.edges[min(self.fixed, len(self.widths))]

    def still(self, width: int) -> int:
        """Cells at the left that do not scroll; never more than half of the view."""
        return min(self.unmoved, width // 2)

    def can_hold(self, column: int, width: int) -> bool:
        """Whether one more column may stand still and be seen; the first one always may."""
        wanted = self.edges[column + 1] - self.edges[column]
        return self.fixed == 0 or self.unmoved + wanted <= width // 2

    def total(self, width: int) -> int:
        """Cells that all columns take in a view of `width`."""
        return self.edges[-1] - self.unmoved + self.still(width)

    def shown(self, scrolled: int, width: int) -> list[Span]:
        """What is seen of the columns in `width` cells: those that stand still, those that move."""
        still = self.still(width)
        seen = [(0, still)] if still else []
        seen.append((self.unmoved + scrolled, width - still))
        return [self._span(*part) for part in seen]

    def _span(self, left: int, cells: int) -> Span:
        first = min(bisect_right(self.edges, left) - 1, len(self.widths))
        last = min(bisect_left(self.edges, left + cells), len(self.widths))
        return Span(range(first, last), left - self.edges[first], cells)

    def scrolled_to(self, column: int, scrolled: int, width: int) -> int:
        """How far to scroll, as little as brings a column into view."""
        edges, cells = self.edges, self.unmoved
        if not self.widths or edges[column] < cells:
            return scrolled
        room = width - self.still(width)
        left = edges[column] - cells
        right = min(edges[column + 1] - cells, left + room)
        return left if left < scrolled else max(scrolled, right - room)

    def next_edge(self, scrolled: int, step: int) -> int:
        """Where scrolling goes to have another column at the left of what scrolls."""
        cells = self.unmoved
        if step > 0:
            place = bisect_right(self.edges, cells + scrolled)
            return self.edges[place] - cells if place < len(self.edges) else scrolled
        place = bisect_left(self.edges, cells + scrolled) - 1
        return max(self.edges[max(place, 0)] - cells, 0)

    def at(self, x: int, scrolled: int, width: int) -> int | None:
        """The column at `x` cells from the left of the view."""
        still = self.still(width)
        place = x if x < still else x - still + self.unmoved + scrolled
        column = bisect_right(self.edges, place) - 1
        return column if 0 <= column < len(self.widths) else None
