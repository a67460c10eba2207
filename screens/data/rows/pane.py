"""The Rows tab: a table over any number of rows; filter, sort, hide, hold still, jump, open."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from core.data.lake.lake import Lake
from core.data.lake.layout import ROW_ID
from core.data.lake.rejected import rejected_rows, rejecting
from core.data.lake.version import Version
from core.errors import Cancelled, LeptonError
from screens.data.pane import Pane
from screens.data.rows.look import Look
from screens.data.rows.rejects_view import RejectsView
from screens.data.rows.row_view import RowView
from screens.data.rows.rows import LakeRows
from screens.data.sql.completion import SqlInput, column_completions
from screens.text import counted, human_count, plain
from screens.widgets.ask import Ask
from screens.widgets.table_view import TableView


class RowsPane(Pane):
    """Rows of a version, as a `Look` chooses them."""

    TITLE = "Rows"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", tooltip="Show rows that fulfil SQL"),
        Binding("o", "sort", "Sort", tooltip="Sort by this column: up, down, not at all"),
        Binding("v", "view", "View cell", tooltip="See this value whole", show=False),
        Binding("minus", "hide", "Hide column", key_display="-", show=False),
        Binding("plus", "show_all", "Show all columns", key_display="+", show=False),
        Binding("f", "fix", "Hold column still", show=False),
        Binding("colon", "jump", "Go to a row", key_display=":", show=False),
        Binding("backspace", "clear", "Show all rows", show=False),
        Binding("r", "rejects", "What the import left out", show=False),
    ]
    DEFAULT_CSS = """
    RowsPane #filter { display: none; }
    RowsPane.-filtering #filter { display: block; }
    RowsPane #look { display: none; }
    RowsPane.-looking #look { display: block; }
    RowsPane #wrong { display: none; }
    RowsPane.-wrong #wrong { display: block; }
    """

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(lake, id=id)
        self.look = Look()
        self._rows: LakeRows | None = None
        self._searching: LakeRows | None = None

    def compose(self) -> ComposeResult:
        yield SqlInput(placeholder="age > 30 AND city = 'Bern'", id="filter")
        yield Static(id="wrong", classes="problem", markup=False)
        yield Static(id="look", classes="note", markup=False)
        yield TableView(id="table", cell_cursor=True)

    @property
    def table(self) -> TableView:
        return self.query_one("#table", TableView)

    def changed(self, version: Version) -> None:
        field = self.query_one("#filter", SqlInput)
        field.complete_with(column_completions([*version.column_names, ROW_ID]))
        field.value = ""
        self.remove_class("-filtering", "-wrong")
        self._show(LakeRows(self.lake.workspace, version, self.look.of_all.suited(version)))

    def enter(self) -> None:
        self.table.focus()

    def show(self, look: Look) -> None:
        """Look at the rows in another way; they are found first, so a wrong condition changes
        nothing."""
        if self.version is None:
            return
        if self._searching is not None:
            self._searching.interrupt()
        self._searching = rows = LakeRows(self.lake.workspace, self.version, look)
        self._say("searching… esc stops" if look.condition or look.sort else "", None)

        def found(count: int) -> None:
            if rows is self._searching:
                self._searching = None
                field = self.query_one("#filter", SqlInput)
                if look.condition is not None:
                    earlier = [each for each in field.remembered if each != look.condition]
                    field.remember([*earlier, look.condition])
                if field.has_focus:
                    self.table.focus()
                self.remove_class("-filtering", "-wrong")
                self._show(rows, count)

        def failed(error: LeptonError) -> None:
            if rows is not self._searching:
                return
            self._searching = None
            self._say_look(self.table.row_count)
            if not isinstance(error, Cancelled):
                self._complain(error)

        self.data_screen.fetch(rows.count, found, group="search", failed=failed)

    def _show(self, rows: LakeRows, count: int | None = None) -> None:
        column = self._column
        self.look = rows.look
        table = self.table
        old, self._rows = self._rows, rows
        table.fixed = len([name for name in rows.look.fixed if name in rows.names])
        table.source = rows
        if old is not None:
            old.close()
        # The cursor goes with its column; where that is hidden now, the next one has its place.
        if column in rows.names:
            table.cursor_column = rows.names.index(column)
        elif column not in rows.look.hidden:
            table.cursor_column = 0
        self._say_look(count)

    def on_unmount(self) -> None:
        for rows in (self._rows, self._searching):
            if rows is not None:
                rows.close()

    @on(TableView.RowHighlighted)
    def _moved(self, event: TableView.RowHighlighted) -> None:
        count = self.table.row_count or 0
        self.place = f"row {human_count(event.index + 1)} of {human_count(count)}"
        self.post_message(self.Moved(self))

    def _complain(self, error: LeptonError) -> None:
        self.query_one("#wrong", Static).update(
            Text("✗ " + ". ".join(plain(said) for said in (error.what, error.hint) if said))
        )
        self.add_class("-wrong")

    def _say_look(self, count: int | None) -> None:
        look = self.look
        said = [look.said] if look.said else []
        if look.condition is not None:
            said.append(look.condition)
        if look.sort:
            said.append("by " + ", ".join(f"{name}{look.mark(name)}" for name, _ in look.sort))
        if look.hidden:
            said.append(f"{counted(len(look.hidden), 'column')} hidden")
        self._say(" · ".join(said), count)

    def _say(self, said: str, count: int | None) -> None:
        self.set_class(bool(said), "-looking")
        of = ""
        if count is not None and self.version is not None and count != self.version.rows:
            of = f"{human_count(count)} of {counted(self.version.rows, 'row')} · "
        self.query_one("#look", Static).update(Text(of + plain(said)))

    # Keys

    @property
    def _column(self) -> str | None:
        """The column that the cursor is in."""
        source = self.table.source
        if not isinstance(source, LakeRows) or not source.names:
            return None
        return source.names[min(self.table.cursor_column, len(source.names) - 1)]

    def action_filter(self) -> None:
        self.add_class("-filtering")
        self.query_one("#filter").focus()

    @on(Input.Submitted, "#filter")
    def _filter(self, event: Input.Submitted) -> None:
        event.stop()
        # The field stays until the rows are found: a wrong condition is mended where it stands.
        self.show(self.look.where(event.value.strip() or None))

    def leave(self, focused: Widget | None) -> bool:
        """From the condition back to the table; the rows stay as they are."""
        field = self.query_one("#filter", SqlInput)
        if focused is not field:
            return False
        field.value = self.look.condition or ""
        self.remove_class("-filtering", "-wrong")
        self.table.focus()
        return True

    def action_clear(self) -> None:
        """All rows again, in their own order."""
        self.query_one("#filter", SqlInput).value = ""
        self.remove_class("-filtering", "-wrong")
        self.show(Look(hidden=self.look.hidden, fixed=self.look.fixed))

    def stop(self) -> bool:
        """Give up a search; whether there was one."""
        if self._searching is None:
            return False
        self._searching.interrupt()
        return True

    def action_sort(self) -> None:
        if (column := self._column) is not None:
            self.show(self.look.turned(column))

    def action_hide(self) -> None:
        if (column := self._column) is not None and len(self.look.columns(self._there)) > 1:
            self.show(self.look.without(column))

    def action_show_all(self) -> None:
        self.show(Look(self.look.condition, self.look.ids, self.look.said, self.look.sort))

    def action_fix(self) -> None:
        if (column := self._column) is None:
            return
        if column not in self.look.fixed and not self.table.can_hold(self.table.cursor_column):
            self.notify(
                "f frees one that is held, - hides one.", title="No room to hold more", timeout=5
            )
            return
        self.show(self.look.fixing(column))

    @property
    def _there(self) -> Version:
        assert self.version is not None
        return self.version

    def action_jump(self) -> None:
        rows = self.table.row_count or 0
        at = f"; this is {human_count(self.table.cursor_row + 1)}" if rows else ""
        explained = f"1 to {human_count(rows)}, or a share of the way such as 50%{at}"
        self.app.push_screen(Ask("Go to row", explained=explained), self._jump)

    def _jump(self, typed: str | None) -> None:
        rows = self.table.row_count or 0
        if typed is None or not rows:
            return
        try:
            if typed.endswith("%"):
                self.table.cursor_row = round(float(typed[:-1]) / 100 * (rows - 1))
            else:
                self.table.cursor_row = int(typed.replace(",", "").replace("'", "")) - 1
        except (ValueError, OverflowError):
            self.notify("Type a row's number, or a share such as 50%.", title="No row", timeout=5)

    def action_view(self) -> None:
        self._open_row(self.table.cursor_row, only=self._column)

    def on_table_view_row_selected(self, event: TableView.RowSelected) -> None:
        event.stop()
        self._open_row(event.index)

    def _open_row(
        self, index: int, *, only: str | None = None, view: RowView | None = None
    ) -> None:
        """Show a row, or one value of it, in a window: a new one, or the `view` that is open."""
        source = self.table.source
        if not isinstance(source, LakeRows):
            return

        def turn(view: RowView, by: int) -> None:
            before = self.table.cursor_row
            self.table.cursor_row += by
            if self.table.cursor_row != before:
                self._open_row(self.table.cursor_row, only=only, view=view)

        def show(row: tuple[int, dict[str, Any]]) -> None:
            number, values = row
            title = f"row {human_count(index + 1)} · {ROW_ID} {number}"
            shown = values if only is None else {only: values[only]}
            if view is None:
                self.app.push_screen(RowView(title, shown, turn))
            elif view.is_attached:
                view.show(title, shown)

        self.data_screen.fetch(lambda: source.row(index), show, group="row")

    def action_rejects(self) -> None:
        version = self._there

        def left_out() -> tuple[Version, Any]:
            made = rejecting(self.lake, version)
            return made, rejected_rows(self.lake, made)

        def show(found: tuple[Version, Any]) -> None:
            made, rejects = found
            if rejects.num_rows:
                self.app.push_screen(RejectsView(made, rejects))
            else:
                self.notify("Every row was taken.", title="Nothing was left out", timeout=5)

        self.data_screen.fetch(left_out, show, group="rejects")

    def shell_command(self) -> str:
        return self.look.command(self.ref, self.table.cursor_row)
