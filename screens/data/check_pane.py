"""The Check tab: what is wrong, in which rows, and the step that mends it."""

from __future__ import annotations

import threading
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.finding import Finding
from core.data.quality.score import Checked, check_version, note
from core.errors import Cancelled, LeptonError
from screens.data.finding_words import finding_line
from screens.data.look import Look
from screens.data.pane import Pane
from screens.data.step_words import step_words
from screens.text import counted, plain


class CheckPane(Pane):
    """A list of findings, the worst first, and below it what to do about the one at the cursor."""

    TITLE = "Check"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "rows", "Show rows"),
        Binding("m", "mend", "Mend", tooltip="Put the step that mends it into the recipe"),
    ]
    DEFAULT_CSS = """
    CheckPane OptionList, CheckPane OptionList:focus {
        height: 1fr; border: none; padding: 0; background: $background;
    }
    CheckPane #todo { height: auto; max-height: 6; padding: 0 1; border-top: solid $panel; }
    """

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake)
        self._findings: list[Finding] = []
        self._stop: threading.Event | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="score", classes="note", markup=False)
        yield OptionList(id="findings")
        yield Static(id="todo", markup=False)

    def enter(self) -> None:
        self.query_one("#findings").focus()

    def changed(self, version: Version) -> None:
        self.stop()
        self._findings = []
        self.query_one("#score", Static).update("")
        self.query_one("#findings", OptionList).clear_options()
        todo = self.query_one("#todo", Static)
        todo.update(Text("looking… esc stops", "dim"))

        self._stop = stop = threading.Event()

        def look() -> Checked:
            checked = check_version(self.lake, version, should_stop=stop.is_set)
            note(self.lake, checked)
            return checked

        def failed(error: LeptonError) -> None:
            self._stop = None
            # Whoever comes back to the tab sees the work begin again.
            self.version = None
            said = "stopped" if isinstance(error, Cancelled) else f"✗ {plain(str(error))}"
            todo.update(Text("\n".join(each for each in (said, plain(error.hint)) if each)))

        self.data_screen.fetch(look, self._show, group="check", failed=failed)

    def _show(self, checked: Checked) -> None:
        self._stop = None
        self._findings = list(checked.findings)
        broken = f" · {counted(len(checked.failed), 'rule')} failed" if checked.failed else ""
        said = Text(f"score {checked.score:.0f} of 100{broken}", "bold")
        self.query_one("#score", Static).update(said)
        listed = self.query_one("#findings", OptionList)
        listed.set_options(Option(finding_line(found)) for found in self._findings)
        if self._findings:
            listed.highlighted = 0
        else:
            said = Text("✓ Nothing is wrong that the check knows to look for.", "green")
            self.query_one("#todo", Static).update(said)

    def stop(self) -> bool:
        """Stop the check at its next step; whether there was one."""
        if self._stop is None:
            return False
        self._stop.set()
        return True

    def on_unmount(self) -> None:
        self.stop()

    @property
    def _chosen(self) -> Finding | None:
        at = self.query_one("#findings", OptionList).highlighted
        return self._findings[at] if at is not None and at < len(self._findings) else None

    @on(OptionList.OptionHighlighted, "#findings")
    def _tell(self) -> None:
        found = self._chosen
        if found is None:
            return
        said = Text(plain(found.hint))
        if found.mend:
            said.append(f"\nm mends: {plain(step_words(found.mend))}", "bold")
        if found.examples or found.condition:
            said.append("\nenter shows the rows", "dim")
        self.query_one("#todo", Static).update(said)

    @on(OptionList.OptionSelected, "#findings")
    def _opened(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_rows()

    def action_rows(self) -> None:
        found = self._chosen
        if found is None:
            return
        if found.condition:
            self.post_message(self.RowsWanted(Look(condition=found.condition)))
        elif found.examples:
            of = f" (of {found.rows:,})" if found.rows > len(found.examples) else ""
            column = f"{found.column}: " if found.column else ""
            said = f"{column}{found.kind}{of}"
            self.post_message(self.RowsWanted(Look(ids=tuple(found.examples), said=said)))
        else:
            self.notify("It is about the whole column.", title="No rows to show", timeout=5)

    def action_mend(self) -> None:
        found = self._chosen
        if found is None:
            return
        if found.mend:
            self.post_message(self.StepOffered(found.mend))
        else:
            self.notify(plain(found.hint), title="No step mends this", markup=False, timeout=8)

    def shell_command(self) -> str:
        return f"lepton data check {self.name_in_shell}"
