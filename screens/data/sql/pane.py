"""The SQL tab: a statement over the lake's data sets, and its answer."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from core.data.lake.lake import Lake
from core.data.lake.layout import quoted
from core.data.lake.version import Version
from core.data.sql.answer_file import ENDINGS
from core.data.sql.console import LIMIT, Answer, Console, History, completions
from core.data.sql.sandbox import SECONDS
from core.errors import Cancelled, LeptonError
from core.workspace import written_path
from screens.data.pane import Pane
from screens.data.rows.row_view import RowView
from screens.data.rows.rows import ListRows
from screens.data.sql.completion import SqlInput
from screens.text import clip, counted, human_duration, plain
from screens.widgets.ask import Ask
from screens.widgets.confirm import Confirm
from screens.widgets.table_view import TableView

SAID = 180


class SqlPane(Pane):
    """Asks the data sets in SQL; it reads them and nothing else."""

    TITLE = "SQL"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "type", "Type", key_display="/", tooltip="Go to the statement"),
        Binding("e", "export", "Export", tooltip="Write the whole answer to a file"),
    ]

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(lake, id=id)
        self._sql = Console(lake)
        self._history = History(lake)
        self._asking = False
        self._asked: str | None = None
        self._offered = ""
        self._place = ""

    def compose(self) -> ComposeResult:
        yield SqlInput(placeholder="SELECT …", id="statement")
        yield Static(id="said", classes="problem", markup=False)
        yield TableView(id="answer", cell_cursor=True, empty="")

    @property
    def _field(self) -> SqlInput:
        return self.query_one("#statement", SqlInput)

    def on_mount(self) -> None:
        self._field.complete_with(lambda text, cursor: completions(self.lake, text, cursor))
        self._field.remember(self._history.read())
        self._say("/ types · tab completes · ↑ earlier ones · enter runs", "dim")

    def changed(self, version: Version) -> None:
        # What a person typed stays; what was offered of another data set does not.
        if self._field.value in ("", self._offered):
            self._offered = f"SELECT * FROM {_written(version)} LIMIT 100"
            self._field.value = self._offered
            self._field.cursor_position = len(self._offered)

    def enter(self) -> None:
        # Not the line itself, where ] would be typed instead of going on to the next tab.
        self.query_one("#answer").focus()

    def action_type(self) -> None:
        self._field.focus()

    def leave(self, focused: Widget | None) -> bool:
        """From the statement to its answer."""
        if focused is not self._field:
            return False
        self.query_one("#answer").focus()
        return True

    def _say(self, words: str, style: str = "") -> None:
        self.query_one("#said", Static).update(Text(words, style))

    @on(Input.Submitted, "#statement")
    def _run(self, event: Input.Submitted) -> None:
        event.stop()
        statement = event.value.strip()
        if not statement:
            return
        self.stop()
        self._asking = True
        self._say(f"running, {human_duration(SECONDS)} at most… esc stops", "dim")

        def work() -> Answer:
            self._history.add(statement)
            return self._sql.run(statement)

        def done(answer: Answer) -> None:
            self._asking = False
            self._asked = statement
            self._field.remember(self._history.read())
            self.query_one("#answer", TableView).source = ListRows(answer.columns, answer.rows)
            took = human_duration(answer.seconds)
            told = f"{counted(len(answer.rows), 'row')} in {took}"
            if answer.truncated:
                told = f"the first {counted(LIMIT, 'row')}, in {took} · e writes all"
            self._say(told, "dim")
            self.query_one("#answer").focus()

        self.data_screen.fetch(work, done, group="sql", failed=self._failed)

    def _failed(self, error: LeptonError) -> None:
        self._asking = False
        if isinstance(error, Cancelled):
            self._say("stopped", "dim")
        else:
            self._say("✗ " + ". ".join(plain(said) for said in (str(error), error.hint) if said))

    def stop(self) -> bool:
        """Stop the statement that runs; whether there was one."""
        if self._asking:
            self._sql.interrupt()
        return self._asking

    def on_table_view_row_selected(self, event: TableView.RowSelected) -> None:
        event.stop()
        source = event.table.source
        if isinstance(source, ListRows):
            title = f"row {event.index + 1} of the answer"
            self.app.push_screen(RowView(title, source.row(event.index)))

    def action_export(self) -> None:
        if self._asked is None:
            self.notify("Run a statement first.", title="Nothing to write", timeout=5)
            return
        # The name stays to be mended; and what failed since is not what is shown and written.
        question = Ask(
            "Write the whole answer to",
            value=self._place,
            placeholder=f"answer{'  '.join(ENDINGS)}",
            explained=clip(" ".join(self._asked.split()), SAID),
        )
        self.app.push_screen(question, self._ask_to_replace)

    def _ask_to_replace(self, typed: str | None) -> None:
        if typed is None:
            return
        self._place = typed
        place = written_path(typed)
        if not place.is_file():
            self._export(place)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._export(place, replace=True)

        self.app.push_screen(Confirm(f"Replace {place}?", "The file is there already."), answered)

    def _export(self, place: Path, *, replace: bool = False) -> None:
        statement = self._asked
        if statement is None:
            return
        self.stop()
        self._asking = True

        def done(rows: int) -> None:
            self._asking = False
            self._say(f"{counted(rows, 'row')} written to {plain(str(place))}", "dim")

        self._say("writing… esc stops", "dim")
        self.data_screen.fetch(
            lambda: self._sql.export(statement, place, replace=replace),
            done,
            group="sql",
            failed=self._failed,
        )

    def shell_command(self) -> str:
        statement = self._field.value.strip()
        return shlex.join(["lepton", "data", "sql", *([statement] if statement else [])])


def _written(version: Version) -> str:
    name = version.dataset
    return name if name.isidentifier() and name.islower() else quoted(name)
