"""The Profile tab: what each column holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import View
from core.data.profile import ColumnProfile, Profile, profile
from core.errors import Cancelled, LeptonError
from screens.data.pane import STOPPED, Pane
from screens.data.profile.profile_table import column_detail, column_line, head_line
from screens.text import plain
from screens.widgets.text_window import TextWindow


class Columns(OptionList):
    """The columns; one that is chosen is told of in a window."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "All of it", tooltip="Everything about this column, in a window")
    ]


class ProfilePane(Pane):
    """A line for each column as it becomes known, and below them all of the one at the cursor."""

    TITLE = "Profile"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Again", tooltip="Look at the columns once more", show=False)
    ]
    DEFAULT_CSS = """
    ProfilePane #head { height: 1; background: $panel; text-wrap: nowrap; }
    ProfilePane Columns, ProfilePane Columns:focus {
        height: 1fr; border: none; padding: 0; background: $background;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    ProfilePane VerticalScroll {
        height: auto; max-height: 60%; padding: 0 1; border-top: solid $panel;
    }
    ProfilePane #detail { height: auto; }
    """

    @dataclass
    class _Arrived(Message):
        """What a thread found of one column, in its round."""

        round: int
        column: ColumnProfile

        bubble: ClassVar[bool] = False

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(lake, id=id)
        self._view: View | None = None
        self._round = 0
        self._columns: list[ColumnProfile] = []

    def compose(self) -> ComposeResult:
        yield Static(head_line(), id="head")
        yield Columns(id="columns")
        with VerticalScroll(can_focus=False):
            yield Static(id="detail", markup=False)

    def enter(self) -> None:
        self.query_one("#columns").focus()

    def changed(self, version: Version) -> None:
        self.stop()
        self._columns = []
        self._round = own = self._round + 1
        self.query_one("#columns", OptionList).clear_options()
        detail = self.query_one("#detail", Static)
        detail.update(Text("looking… esc stops", "dim"))

        def arrived(column: ColumnProfile) -> None:
            self.post_message(self._Arrived(own, column))

        def look() -> Profile:
            with self.lake.open(version) as view:
                self._view = view
                try:
                    return profile(view, arrived=arrived)
                finally:
                    self._view = None

        def failed(error: LeptonError) -> None:
            self.unfinished = True
            said = STOPPED if isinstance(error, Cancelled) else f"✗ {plain(str(error))}"
            detail.update(Text("\n".join(each for each in (said, plain(error.hint)) if each)))

        self.data_screen.fetch(look, lambda _: self._tell(), group="profile", failed=failed)

    def on_profile_pane__arrived(self, message: _Arrived) -> None:
        version = self.version
        if version is None or message.round != self._round:
            return
        self._columns.append(message.column)
        listed = self.query_one("#columns", OptionList)
        listed.add_option(Option(column_line(message.column, version.rows)))
        if listed.highlighted is None:
            listed.highlighted = 0

    @on(OptionList.OptionHighlighted, "#columns")
    def _tell(self) -> None:
        at = self.query_one("#columns", OptionList).highlighted
        if at is not None and at < len(self._columns) and self.version is not None:
            shown = column_detail(self._columns[at], self.version.rows)
            self.query_one("#detail", Static).update(shown)

    @on(OptionList.OptionSelected, "#columns")
    def _open(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.version is not None:
            column = self._columns[event.option_index]
            shown = column_detail(column, self.version.rows)
            self.app.push_screen(TextWindow(f"{column.name} of {self.version.ref}", shown))

    def stop(self) -> bool:
        """Stop the counting; whether it was under way."""
        view = self._view
        if view is not None:
            view.interrupt()
        return view is not None

    def on_unmount(self) -> None:
        self.stop()

    def shell_command(self) -> str:
        return f"lepton data profile {self.name_in_shell}"
