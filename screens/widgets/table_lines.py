"""The lines of a table as they are drawn: its head, its rows, and what stands where no row is."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip

from screens import text
from screens.widgets.cells import cell_text
from screens.widgets.column_layout import ColumnLayout
from screens.widgets.pages import COMING, Pages

PENDING = "·"
RULE = "│"


class TableLines:
    """Draws what is seen of the columns and nothing beside it; rows are kept until they change.

    `style` gives the style of a part of the table; told to, only what the part itself says.
    """

    def __init__(self, pages: Pages, layout: ColumnLayout, style: Callable[..., Style]) -> None:
        self._pages = pages
        self._layout = layout
        self._style = style
        self._rows: LRUCache[tuple[int, bool, int | None, int, int], Strip] = LRUCache(512)

    def forget(self) -> None:
        """Draw every row anew: cells have come, or the colours are others."""
        self._rows.clear()

    def head(self, scrolled: int, width: int, *, types: bool) -> Strip:
        """The names of the columns, or their types."""
        style = self._style("type" if types else "head")

        def cell(column: int) -> Segment:
            head = self._pages.columns[column]
            words = text.plain(head.type if types else head.name)
            return Segment(f" {text.fit(words, self._layout.widths[column])} ", style)

        return self._line(cell, scrolled, width, self._style("head"))

    def row(
        self, index: int, scrolled: int, width: int, *, at_cursor: bool, pointed: int | None = None
    ) -> Strip:
        """A row; `pointed` is the column whose cell the cursor is on."""
        key = (index, at_cursor, pointed, scrolled, width)
        if (strip := self._rows.get(key)) is None:
            style = self._style("cursor" if at_cursor else "odd-row" if index % 2 else "row")
            grey = style if at_cursor else style + Style(color=self._style("dim").color)
            # Only what the class itself says: the row's colours stay.
            lit = self._style("cell", partial=True)

            def cell(column: int) -> Segment:
                shown, dim = self._cell(index, column)
                drawn = grey if dim else style
                return Segment(shown, drawn + lit if column == pointed else drawn)

            strip = self._rows[key] = self._line(cell, scrolled, width, style)
        return strip

    def note(self, words: str, width: int, *, wrong: bool) -> Strip:
        """What stands where no row is."""
        style = self._style("error" if wrong else "dim")
        return Strip([Segment(text.fit(" " + words, width), style)], width)

    def _line(
        self, cell: Callable[[int], Segment], scrolled: int, width: int, behind: Style
    ) -> Strip:
        parts = []
        spans = self._layout.shown(scrolled, width)
        for columns, skip, cells in spans:
            strip = Strip([cell(column) for column in columns])
            parts.append(strip.extend_cell_length(skip + cells, behind).crop(skip, skip + cells))
        if len(spans) > 1:
            # A line behind the columns that stand still, also where nothing can scroll.
            parts[0] = Strip([*parts[0].crop(0, spans[0].cells - 1), Segment(RULE, behind)])
        return Strip.join(parts)

    def _cell(self, index: int, column: int) -> tuple[str, bool]:
        """The words of a cell in its full width, and whether they are but a word about a value."""
        width = self._layout.widths[column]
        value = self._pages.cell(index, column)
        if value is COMING:
            return f" {text.fit(PENDING, width)} ", True
        cell = cell_text(value, width)
        return f" {text.fit(cell.text, width, right=cell.right)} ", cell.dim
