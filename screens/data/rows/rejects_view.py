"""What an import left out, in a window: a row for each, with its file, place and reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from core.data.lake.version import Version
from screens.data.rows.row_view import RowView
from screens.text import counted
from screens.widgets.pages import ColumnHead
from screens.widgets.table_view import TableView
from screens.widgets.window import Window

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowRows:
    """A `RowSource` over an Arrow table; values become Python's where they are shown."""

    def __init__(self, table: pa.Table) -> None:
        self.columns: Sequence[ColumnHead] = [ColumnHead(name) for name in table.column_names]
        self._table = table

    def count(self) -> int:
        return int(self._table.num_rows)

    def page(self, offset: int, limit: int, columns: range) -> Sequence[tuple[Any, ...]]:
        part = self._table.slice(offset, limit).select(list(columns))
        return [tuple(row.values()) for row in part.to_pylist()]

    def row(self, index: int) -> dict[str, Any]:
        """One row by its columns."""
        (row,) = self._table.slice(index, 1).to_pylist()
        return dict(row)


class RejectsView(Window[None]):
    """A table of rejects, each of which opens."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,r", "dismiss", "Close")]
    DEFAULT_CSS = """
    RejectsView > Vertical { width: 95%; height: 80%; padding: 0; }
    """

    def __init__(self, version: Version, rejects: pa.Table) -> None:
        super().__init__()
        self._version = version
        self._rows = ArrowRows(rejects)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            count = counted(self._rows.count(), "row")
            box.border_title = f"{count} left out of {self._version.ref}"
            box.border_subtitle = "enter opens one · esc closes"
            yield TableView(self._rows)

    def on_table_view_row_selected(self, event: TableView.RowSelected) -> None:
        event.stop()
        title = f"left out: {event.index + 1}"
        self.app.push_screen(RowView(title, self._rows.row(event.index)))
