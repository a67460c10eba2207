"""TableView: a table of any number of rows that fetches only what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.text import plain
from screens.widgets.column_layout import ColumnLayout, wanted_widths
from screens.widgets.pages import ColumnHead, Loaded, Pages, Row, RowSource
from screens.widgets.table_lines import TableLines

__all__ = ["ColumnHead", "RowSource", "TableView"]


class TableView(ScrollView, can_focus=True):
    """Rows of a `RowSource` under a head that stays, with a cursor on one row.

    With `cell_cursor` it is on one of its cells too. The first `fixed` columns do not scroll away.

    Set `source` to show another one. Pages of cells are fetched in a thread when they come into
    view; until then a cell shows `·`. An answer that comes after the source has changed is dropped.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table-view--head",
        "table-view--type",
        "table-view--row",
        "table-view--odd-row",
        "table-view--cursor",
        "table-view--cell",
        "table-view--dim",
        "table-view--error",
    }
    DEFAULT_CSS = """
    TableView {
        width: 1fr; height: 1fr;
        background: $surface; color: $foreground;
        & > .table-view--head { background: $panel; color: $foreground; text-style: bold; }
        & > .table-view--type { background: $panel; color: $text-muted; text-style: italic; }
        & > .table-view--row { background: $surface; }
        & > .table-view--odd-row { background: $foreground 3%; }
        & > .table-view--dim { color: $text-muted; }
        & > .table-view--error { color: $text-error; }
        & > .table-view--cursor {
            background: $block-cursor-blurred-background;
            color: $block-cursor-blurred-foreground;
        }
        & > .table-view--cell { text-style: underline; }
        &:focus > .table-view--cell { text-style: reverse bold; }
        &:focus > .table-view--cursor {
            background: $block-cursor-background; color: $block-cursor-foreground;
            text-style: $block-cursor-text-style;
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Row up", show=False),
        Binding("down,j", "move(1)", "Row down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("home,g", "move_end(-1)", "First row", show=False),
        Binding("end,G", "move_end(1)", "Last row", show=False),
        Binding("left,h", "column(-1)", "Columns to the left", show=False),
        Binding("right,l", "column(1)", "Columns to the right", show=False),
        Binding("enter", "select", "Open the row", show=False),
    ]
    BINDING_GROUP_TITLE = "Table"

    cursor_row: reactive[int] = reactive(0)
    cursor_column: reactive[int] = reactive(0)

    @dataclass
    class RowHighlighted(Message):
        """The cursor is on a row."""

        table: TableView
        index: int

        @property
        def control(self) -> TableView:
            return self.table

    @dataclass
    class RowSelected(RowHighlighted):
        """A row was chosen: by Enter, or by a click on the one at the cursor."""

    @dataclass
    class LoadFailed(Message):
        """The source could not give its rows; the table says so too."""

        table: TableView
        error: Exception

        @property
        def control(self) -> TableView:
            return self.table

    @dataclass
    class _Brought(Message):
        """What a thread brought for these pages, or why it could not.

        `widths` are what its columns want for their cells, and `names` what all want for their
        heads.
        """

        pages: Pages
        answer: Loaded | Exception
        widths: Sequence[int] = ()
        names: Sequence[int] = ()

        bubble: ClassVar[bool] = False

    def __init__(
        self,
        source: RowSource | None = None,
        *,
        empty: str = "no rows",
        show_types: bool = False,
        cell_cursor: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.empty = empty
        self.head_height = 2 if show_types else 1
        self.cell_cursor = cell_cursor
        self.fixed = 0
        self._start(Pages(source))

    def _start(self, pages: Pages) -> None:
        self._pages = pages
        self._layout = ColumnLayout(self.fixed)
        self._lines = TableLines(pages, self._layout, self._style_of)
        self._announce: type[TableView.RowHighlighted] | None = TableView.RowHighlighted

    # The source

    @property
    def source(self) -> RowSource | None:
        """Where the rows come from; None shows an empty table."""
        return self._pages.source

    @source.setter
    def source(self, source: RowSource | None) -> None:
        # A thread may still be in the old source; the new one has no reason to wait for it.
        self._start(Pages(source))
        self.set_reactive(TableView.cursor_row, 0)
        self.scroll_to(0, 0, animate=False, force=True)
        self.virtual_size = Size(0, 0)
        self.refresh()
        if self.is_attached:
            self._ensure_rows()

    @property
    def row_count(self) -> int | None:
        """The number of rows, None as long as it is not known."""
        return self._pages.count

    def row_at(self, index: int) -> Row | None:
        """A row's values if they are at hand."""
        return self._pages.row(index)

    def on_mount(self) -> None:
        self._ensure_rows()

    def _ensure_rows(self) -> None:
        """Ask for a page that is in view and not here."""
        first = int(self.scroll_y)
        pages = self._pages
        spans = self._layout.shown(int(self.scroll_x), max(self._view_width, 1))
        columns = [column for span in spans for column in span.columns]
        page = pages.ask(first, first + max(self._body_height, 1) - 1, columns)
        if page is None:
            return

        def bring() -> None:
            # A table may have thousands of columns: nobody waits for their widths.
            measured: tuple[Sequence[Row], list[int]] | None = None
            try:
                for loaded in pages.fetch(page):
                    names = wanted_widths(loaded.columns, ()) if loaded.columns else ()
                    there = page.columns(len(pages.heads))
                    if measured is None or measured[0] is not loaded.rows:
                        heads = pages.heads[there.start : there.stop]
                        measured = (loaded.rows, wanted_widths(heads, loaded.rows))
                    self.post_message(self._Brought(pages, loaded, measured[1], names))
            except Exception as error:
                self.post_message(self._Brought(pages, error))

        self.run_worker(bring, thread=True, group="rows", exit_on_error=False)

    def on_table_view__brought(self, message: _Brought) -> None:
        pages, answer = message.pages, message.answer
        if pages is not self._pages:
            return
        if isinstance(answer, Exception):
            pages.fail(answer)
            self.refresh()
            self.post_message(self.LoadFailed(self, answer))
            return
        pages.take(answer)
        self._lines.forget()
        self._layout.grow(message.names)
        self._grow(message.widths, answer.page.columns(len(pages.columns)).start)
        if answer.columns is not None:
            self.set_reactive(TableView.cursor_column, self._column_there(self.cursor_column))
            self._show_column()
        if answer.count is not None:
            self.set_reactive(TableView.cursor_row, self._nearest(self.cursor_row))
            if not self.scroll_offset.y:
                self._show_cursor()
        self.refresh()
        self._announce_cursor()
        self._ensure_rows()

    def _grow(self, widths: Sequence[int], first: int) -> None:
        """Make room for the cells that came; the column at the left of what scrolls stays there."""
        layout, scrolled = self._layout, int(self.scroll_x)
        seen = layout.shown(scrolled, self._view_width)[-1].columns
        before = layout.edges[seen.start] - layout.unmoved
        layout.grow(widths, first)
        self.virtual_size = Size(self._total, self._pages.known + self.head_height)
        if moved := layout.edges[seen.start] - layout.unmoved - before:
            self.scroll_to(x=scrolled + moved, animate=False, force=True)
        if self.cursor_column in seen:
            self._show_column()

    # Drawing

    @property
    def _body_height(self) -> int:
        return self.scrollable_content_region.height - self.head_height

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        scrolled = self.scroll_offset.x
        if y < self.head_height:
            return self._lines.head(scrolled, width, types=y > 0)
        index = y - self.head_height + self.scroll_offset.y
        if index >= self._pages.known or self._pages.error is not None:
            return self._note(width, y == self.head_height)
        at_cursor = index == self.cursor_row
        pointed = self.cursor_column if at_cursor and self.cell_cursor else None
        return self._lines.row(index, scrolled, width, at_cursor=at_cursor, pointed=pointed)

    def _note(self, width: int, first: bool) -> Strip:
        """What stands where no row is."""
        if not first:
            return Strip.blank(width, self.rich_style)
        if self._pages.error is not None:
            words = f"✗ the rows cannot be read: {plain(str(self._pages.error))}"
            return self._lines.note(words, width, wrong=True)
        words = "…" if self.row_count is None and self.source is not None else self.empty
        return self._lines.note(words, width, wrong=False)

    def _style_of(self, part: str, *, partial: bool = False) -> Style:
        return self.get_component_rich_style(f"table-view--{part}", partial=partial)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._lines.forget()

    # Cursor, keys and mouse

    def _nearest(self, index: int) -> int:
        return min(max(index, 0), max((self.row_count or 0) - 1, 0))

    def validate_cursor_row(self, index: int) -> int:
        return self._nearest(index)

    def watch_cursor_row(self, before: int, index: int) -> None:
        self.refresh_line(before + self.head_height)
        self.refresh_line(index + self.head_height)
        self._show_cursor()
        self._announce = self.RowHighlighted
        self._announce_cursor()
        self._ensure_rows()

    def _show_cursor(self) -> None:
        """Scroll as little as brings the cursor into view, also before there is a scrollbar."""
        top, height = int(self.scroll_y), max(self._body_height, 1)
        if self.cursor_row < top:
            self.scroll_to(y=self.cursor_row, animate=False, force=True)
        elif self.cursor_row >= top + height:
            self.scroll_to(y=self.cursor_row - height + 1, animate=False, force=True)

    def _announce_cursor(self) -> None:
        """Post what is owed for the row at the cursor, once it is known that there is one."""
        if self._announce is not None and self.row_count:
            self.post_message(self._announce(self, self.cursor_row))
            self._announce = None

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._ensure_rows()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self._ensure_rows()

    def on_resize(self) -> None:
        self._show_cursor()
        self._ensure_rows()

    def action_move(self, rows: int) -> None:
        self.cursor_row += rows

    def action_move_page(self, pages: int) -> None:
        self.cursor_row += pages * max(self._body_height - 1, 1)

    def action_move_end(self, side: int) -> None:
        self.cursor_row = 0 if side < 0 else (self.row_count or 1) - 1

    def _column_there(self, column: int) -> int:
        # Before the columns are known, any may be wished for.
        last = len(self._layout.widths) - 1 if self._layout.widths else column
        return min(max(column, 0), max(last, 0))

    def validate_cursor_column(self, column: int) -> int:
        return self._column_there(column)

    def watch_cursor_column(self) -> None:
        self.refresh_line(self.cursor_row - int(self.scroll_y) + self.head_height)
        self._show_column()

    def _show_column(self) -> None:
        """Scroll as little as brings the cursor's column into view."""
        if self.cell_cursor:
            x = self._layout.scrolled_to(self.cursor_column, int(self.scroll_x), self._view_width)
            self.scroll_to(x=x, animate=False, force=True)

    def can_hold(self, column: int) -> bool:
        """Whether a column that moves could stand still and be seen."""
        return self._layout.can_hold(column, self._view_width)

    @property
    def _view_width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _total(self) -> int:
        return self._layout.total(self._view_width)

    def action_column(self, columns: int) -> None:
        """Go to the next column, or bring its left edge to the left of the view."""
        if self.cell_cursor:
            self.cursor_column += columns
            return
        target = self._layout.next_edge(int(self.scroll_x), columns)
        self.scroll_to(x=min(target, self.max_scroll_x), animate=False)

    def action_select(self) -> None:
        """Choose the row at the cursor."""
        if self.row_count:
            self._announce = self.RowSelected
            self._announce_cursor()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self.head_height:
            return
        index = offset.y - self.head_height + int(self.scroll_y)
        if index < (self.row_count or 0):
            # A click only points, as an arrow key does; one more opens.
            column = self._layout.at(offset.x, int(self.scroll_x), self.size.width)
            same = not self.cell_cursor or column in (None, self.cursor_column)
            if index == self.cursor_row and same:
                self.action_select()
            self.cursor_row = index
            self.cursor_column = self.cursor_column if column is None else column
