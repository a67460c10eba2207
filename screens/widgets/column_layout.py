"""Where the columns of a table stand, in cells of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from rich.cells import cell_len
from textual.strip import Strip

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


class ColumnLayout:
    """How wide each column is. The first `fixed` of them stand still while the others scroll."""

    def __init__(self, fixed: int = 0) -> None:
        self.widths: list[int] = []
        self.fixed = fixed

    def grow(self, wanted: Sequence[int]) -> None:
        """Make room for columns of these widths.

        Columns only grow: a number further down is not cut, and nothing jumps on the way back.
        """
        before = self.widths or [0] * len(wanted)
        self.widths = [max(pair) for pair in zip(wanted, before, strict=True)]

    @property
    def edges(self) -> list[int]:
        """The left edge of each column, and the right edge of the last."""
        return [0, *accumulate(width + GAP for width in self.widths)]

    @property
    def _cells(self) -> int:
        """What the fixed columns take if there is room for it."""
        return self.edges[min(self.fixed, len(self.widths))]

    def still(self, width: int) -> int:
        """Cells at the left that do not scroll; never more than half of the view."""
        return min(self._cells, width // 2)

    def total(self, width: int) -> int:
        """Cells that all columns take in a view of `width`."""
        return self.edges[-1] - self._cells + self.still(width)

    def window(self, strip: Strip, scrolled: int, width: int) -> Strip:
        """What is seen of a whole row in `width` cells."""
        still, cells = self.still(width), self._cells
        moving = strip.crop(cells + scrolled, cells + scrolled + width - still)
        return Strip.join([strip.crop(0, still), moving]) if still else moving

    def scrolled_to(self, column: int, scrolled: int, width: int) -> int:
        """How far to scroll, as little as brings a column into view."""
        edges, cells = self.edges, self._cells
        if not self.widths or edges[column] < cells:
            return scrolled
        room = width - self.still(width)
        left = edges[column] - cells
        right = min(edges[column + 1] - cells, left + room)
        return left if left < scrolled else max(scrolled, right - room)

    def next_edge(self, scrolled: int, step: int) -> int:
        """Where scrolling goes to have another column at the left of what scrolls."""
        edges = [edge - self._cells for edge in self.edges if edge >= self._cells]
        if step > 0:
            return next((edge for edge in edges if edge > scrolled), scrolled)
        return next((edge for edge in reversed(edges) if edge < scrolled), 0)

    def at(self, x: int, scrolled: int, width: int) -> int | None:
        """The column at `x` cells from the left of the view."""
        still, edges = self.still(width), self.edges
        place = x if x < still else x - still + self._cells + scrolled
        return next((i for i in range(len(self.widths)) if edges[i] <= place < edges[i + 1]), None)
