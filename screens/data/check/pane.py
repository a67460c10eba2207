"""The Check tab: what is wrong, in which rows, and the step that mends it."""

from __future__ import annotations

import shlex
import threading
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.finding import Finding
from core.data.quality.in_short import Others, in_short
from core.data.quality.mending import joined
from core.data.quality.score import Checked, check_version, note
from core.errors import Cancelled, LeptonError
from core.runs.run import Run
from screens.data.check.doubting import DoubtForm, doubt
from screens.data.check.finding_words import finding_line, others_told
from screens.data.check.history_view import HistoryView
from screens.data.check.rules_view import RulesView
from screens.data.clean.step_words import settings_words, step_words
from screens.data.pane import STOPPED, Pane
from screens.data.rows.look import Look
from screens.text import counted, plain
from screens.widgets.ask import Ask
from screens.widgets.text_window import TextWindow

MOST_STEPS = 100
LONGEST_STEP = 200
MOST_NAMED = 5


class Findings(OptionList):
    """What was found; the rows of one that is chosen are shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Show rows", tooltip="Show the rows that it is about")
    ]

    def on_resize(self) -> None:
        # What is said below of the one at the cursor takes lines away, else its own as well.
        self.scroll_to_highlight()


class CheckPane(Pane):
    """A list of findings, the worst first, and below it what to do about the one at the cursor."""

    TITLE = "Check"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mend", "Mend", tooltip="Put the step that mends it into the recipe"),
        Binding("M", "mend_all", "Mend all", tooltip="Put every such step into it", show=False),
        Binding("r", "again", "Again", tooltip="Check once more", show=False),
        Binding("c", "compare", "Compare", tooltip="Check against another version: what drifted"),
        Binding("d", "doubt", "Doubt", tooltip="Doubt labels that a model contradicts", show=False),
        Binding("u", "rules", "Rules", tooltip="The rules that must hold; see and edit them"),
        Binding("h", "history", "What earlier checks found", show=False),
    ]
    DEFAULT_CSS = """
    CheckPane OptionList, CheckPane OptionList:focus {
        height: 1fr; border: none; padding: 0; background: $background;
    }
    CheckPane #todo { height: auto; max-height: 6; padding: 0 1; border-top: solid $panel; }
    """

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(lake, id=id)
        self._checked: Checked | None = None
        self._findings: list[Finding | Others] = []
        self._of = ""
        self._against: str | None = None
        self._model: str | None = None
        self._stop: threading.Event | None = None
        self._doubting: Run | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="score", classes="note", markup=False)
        yield Findings(id="findings")
        yield Static(id="todo", markup=False)

    def enter(self) -> None:
        self.query_one("#findings").focus()

    # Checking

    def changed(self, version: Version) -> None:
        # What it was held against is kept for the next version of the data set.
        against = self._against if version.dataset == self._of else None
        self._of = version.dataset
        self._check(version, None if against == version.ref else against)

    def _check(self, version: Version, against: str | None) -> None:
        self.stop()
        self._stop = stop = threading.Event()
        self._against, self._model = against, None
        self._wait("looking… esc stops")

        def look() -> Checked:
            checked = check_version(self.lake, version, None, against, stop.is_set)
            note(self.lake, checked)
            return checked

        self.data_screen.fetch(look, self._show, group="check", failed=self._failed)

    def _wait(self, words: str) -> None:
        self._checked, self._findings = None, []
        self.query_one("#score", Static).update("")
        self.query_one("#findings", OptionList).clear_options()
        self.query_one("#todo", Static).update(Text(words, "dim"))

    def _failed(self, error: LeptonError) -> None:
        self._stop = self._doubting = None
        self.unfinished = True
        said = STOPPED if isinstance(error, Cancelled) else f"✗ {plain(str(error))}"
        told = "\n".join(each for each in (said, plain(error.hint)) if each)
        self.query_one("#todo", Static).update(Text(told))

    def _show(self, checked: Checked) -> None:
        self._stop = self._doubting = None
        self._checked, self._findings = checked, in_short(checked.findings)
        said = [f"score {checked.score:.0f} of 100"]
        said += [f"{counted(len(checked.failed), 'rule')} failed"] if checked.failed else []
        said += [f"against {self._against}"] if self._against else []
        said += [f"doubted by {self._model}"] if self._model else []
        self.query_one("#score", Static).update(Text(" · ".join(said), "bold"))
        listed = self.query_one("#findings", OptionList)
        listed.set_options(Option(finding_line(found)) for found in self._findings)
        if self._findings:
            listed.highlighted = 0
        else:
            fine = Text("✓ Nothing is wrong that the check knows to look for.", "green")
            self.query_one("#todo", Static).update(fine)

    def stop(self) -> bool:
        """Stop the check at its next step; whether there was one."""
        if (run := self._doubting) is not None:
            self.data_screen.fetch(lambda: run.stop(wait=None), lambda _: None, group="stop check")
        elif self._stop is not None:
            self._stop.set()
        else:
            return False
        self.query_one("#todo", Static).update(Text("stopping…", "dim"))
        return True

    def on_unmount(self) -> None:
        if self._stop is not None:
            self._stop.set()

    def action_compare(self) -> None:
        version = self.version
        if version is None:
            return

        def answered(other: str | None) -> None:
            if other is not None:
                itself = self.lake.version(other).ref == version.ref
                self._check(version, None if itself else other)

        question = Ask(
            f"Check {version.ref} against",
            value=self._against or next(iter(version.parents), ""),
            placeholder=f"{version.dataset}@1",
            explained="Another version, or another data set: which columns have drifted since."
            f" {version.ref} ends the comparison.",
            check=self.lake.version,
        )
        self.app.push_screen(question, answered)

    def action_doubt(self) -> None:
        version = self.version
        if version is None:
            return

        def answered(model: str | None) -> None:
            if model is None:
                return
            self.stop()
            self._stop, self._model = None, model
            self._wait(f"doubting labels with {model}… esc stops")

            def began(run: Run) -> None:
                self._doubting = run

            doubt(
                self.data_screen,
                version,
                model,
                against=self._against,
                began=began,
                done=self._show,
                failed=self._failed,
            )

        self.app.push_screen(DoubtForm(version, self.lake, self.data_screen.fetch), answered)

    # What was found

    @property
    def _chosen(self) -> Finding | Others | None:
        at = self.query_one("#findings", OptionList).highlighted
        return self._findings[at] if at is not None and at < len(self._findings) else None

    @on(OptionList.OptionHighlighted, "#findings")
    def _tell(self) -> None:
        found = self._chosen
        if found is None:
            return
        said = Text()
        if isinstance(found, Others):
            said.append("enter lists them", "dim")
            if steps := _steps(found):
                said.append(f"\nm mends all of them: {plain(_in_short(steps))}", "bold")
            self.query_one("#todo", Static).update(said)
            return
        said.append(plain(found.hint))
        if found.mend:
            said.append(f"\nm mends: {plain(_in_short([found.mend]))}", "bold")
        if found.examples or found.condition:
            said.append("\nenter shows the rows", "dim")
        self.query_one("#todo", Static).update(said)

    @on(OptionList.OptionSelected, "#findings")
    def _opened(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        found = self._chosen
        if found is None:
            return
        if isinstance(found, Others):
            title = f"{found.findings[0].kind} in {self.ref}"
            self.app.push_screen(TextWindow(title, others_told(found)))
        elif found.condition:
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
        if steps := _steps(found):
            self._offer(steps)
        else:
            hint = found.findings[0].hint if isinstance(found, Others) else found.hint
            self.notify(plain(hint), title="No step mends this", markup=False, timeout=8)

    def action_mend_all(self) -> None:
        checked = self._checked
        if checked is None:
            return
        if steps := joined([found.mend for found in checked.findings if found.mend]):
            self._offer(steps)
        else:
            self.notify("No finding has a step that mends it.", title="Nothing to mend", timeout=5)

    def _offer(self, steps: list[dict[str, Any]]) -> None:
        """Put steps into the recipe, as far as a person can go through them there."""
        if len(steps) <= MOST_STEPS:
            self.post_message(self.StepsOffered(steps))
            return
        self.notify(
            f"They are {len(steps):,}. As a recipe in a file:"
            f" lepton data check {self.name_in_shell} --save FILE",
            title="Too many steps to go through here",
            markup=False,
            timeout=12,
        )

    # Rules and history

    def action_rules(self) -> None:
        if self.version is not None:
            self.app.push_screen(RulesView(self.lake, self.version, self.data_screen.fetch))

    def action_history(self) -> None:
        version = self.version
        if version is None:
            return
        window = HistoryView(version.dataset)
        self.app.push_screen(window)
        self.data_screen.fetch(
            lambda: self.lake.quality.history(version.dataset),
            window.tell,
            group="quality history",
        )

    def shell_command(self) -> str:
        words = ["lepton", "data", "check", self.ref]
        words += ["--against", self._against] if self._against else []
        words += ["--model", self._model] if self._model else []
        return shlex.join(words)


def _steps(found: Finding | Others) -> list[dict[str, Any]]:
    """The steps that mend it, if any do."""
    findings = found.findings if isinstance(found, Others) else (found,)
    return joined([each.mend for each in findings if each.mend])


def _in_short(steps: list[dict[str, Any]]) -> str:
    """Steps in words; of many the first."""
    first, columns = steps[0], steps[0].get("columns", ())
    words = step_words(first)
    if len(columns) > MOST_NAMED:
        rest = settings_words({key: value for key, value in first.items() if key != "columns"})
        words = f"{first['do']} {len(columns):,} columns {rest}".strip()
    words = words if len(words) <= LONGEST_STEP else f"{words[:LONGEST_STEP]}…"
    return f"{words}, and {len(steps) - 1:,} more" if len(steps) > 1 else words
