"""The Check tab: what is wrong, in which rows, and the step that mends it."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from core.data.lake import Lake
from core.data.quality.check import check
from core.data.quality.finding import Finding
from core.data.version import Version
from core.errors import LeptonError
from screens.data.look import Look
from screens.data.pane import Pane
from screens.data.step_words import step_words
from screens.text import plain

SEVERITY = {
    "error": ("✗", "bold red"),
    "warning": ("!", "yellow"),
    "info": ("·", "dim"),
}


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

    def compose(self) -> ComposeResult:
        yield OptionList(id="findings")
        yield Static(id="todo", markup=False)

    def enter(self) -> None:
        self.query_one("#findings").focus()

    def changed(self, version: Version) -> None:
        self._findings = []
        self.query_one("#findings", OptionList).clear_options()
        todo = self.query_one("#todo", Static)
        todo.update(Text("looking…", "dim"))

        def look() -> list[Finding]:
            with self.lake.open(version) as view:
                return check(view, target=version.target)

        def failed(error: LeptonError) -> None:
            todo.update(Text(f"✗ {plain(str(error))}\n{plain(error.hint)}"))

        self.data_screen.fetch(look, self._show, group="check", failed=failed)

    def _show(self, findings: list[Finding]) -> None:
        self._findings = findings
        listed = self.query_one("#findings", OptionList)
        listed.set_options(Option(_line(found)) for found in findings)
        if findings:
            listed.highlighted = 0
        else:
            said = Text("✓ Nothing is wrong that the check knows to look for.", "green")
            self.query_one("#todo", Static).update(said)

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


def _line(found: Finding) -> Text:
    glyph, style = SEVERITY[found.severity]
    column = f"{plain(found.column)}: " if found.column else ""
    return Text.assemble((f"{glyph} ", style), (column, "bold"), plain(found.what))
