"""The Clean tab: a recipe built step by step, with what each step does seen before it is run."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from core.data.cleaning.apply import clean, undo
from core.data.cleaning.preview import Preview
from core.data.cleaning.recipe import Recipe
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import Cancelled, LeptonError
from core.workspace import written_path
from screens.data.clean.previewer import Previewer
from screens.data.clean.step_form import StepChoice, StepForm
from screens.data.clean.step_words import clean_command, settings_words
from screens.data.pane import Pane
from screens.tables import beside
from screens.text import counted, human_count, plain
from screens.widgets.ask import Ask
from screens.widgets.cells import cell_text
from screens.widgets.confirm import Confirm

VALUE = 40
NONE_YET = (
    "No steps yet. Press a to add one, L to load a recipe's file; what it would do is shown here"
    " before anything is changed."
)


@dataclass
class Written:
    """A step of the recipe; one that is switched off is kept, but not run."""

    step: dict[str, Any]
    on: bool = True


class Steps(OptionList):
    """The steps of the recipe; one that is chosen is edited."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Edit", tooltip="Change the settings of this step")
    ]


class CleanPane(Pane):
    """The steps above, below them what the one at the cursor would do to the rows."""

    TITLE = "Clean"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add step"),
        Binding("space", "switch", "On/off", tooltip="Switch this step off, or on again"),
        Binding("r", "run", "Run", tooltip="Make the next version by these steps"),
        Binding("u", "undo", "Undo", tooltip="Take the last step of the data set back"),
        Binding("d,delete", "drop", "Take this step out of the recipe", show=False),
        Binding("K,ctrl+up", "shift(-1)", "Move this step up", show=False),
        Binding("J,ctrl+down", "shift(1)", "Move this step down", show=False),
        Binding("w", "save", "Write the recipe to a file", show=False),
        Binding("L", "load", "Read a recipe from a file", show=False),
    ]
    DEFAULT_CSS = """
    CleanPane OptionList, CleanPane OptionList:focus {
        height: auto; max-height: 40%; border: none; padding: 0; background: $background;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    CleanPane VerticalScroll { height: 1fr; padding: 0 1; }
    CleanPane VerticalScroll > Static { height: auto; }
    """

    def __init__(self, lake: Lake, *, id: str) -> None:
        super().__init__(lake, id=id)
        self._recipe: list[Written] = []
        self._previewer = Previewer(lake)
        self._cleaning: threading.Event | None = None
        self._looking = False

    def compose(self) -> ComposeResult:
        yield Steps(id="steps")
        yield Static(id="doing", classes="note", markup=False)
        with VerticalScroll():
            yield Static(id="preview", markup=False)

    def on_mount(self) -> None:
        self._list()

    def on_unmount(self) -> None:
        self._previewer.close()

    def changed(self, version: Version) -> None:
        self._look()

    def enter(self) -> None:
        self.query_one("#steps").focus()

    # The recipe

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps that would run."""
        return [each.step for each in self._recipe if each.on]

    @property
    def _at(self) -> int | None:
        return self.query_one("#steps", OptionList).highlighted

    def _list(self, at: int | None = None) -> None:
        listed = self.query_one("#steps", OptionList)
        listed.set_options(
            Option(_line(number, each)) for number, each in enumerate(self._recipe, 1)
        )
        if self._recipe:
            wanted = len(self._recipe) - 1 if at is None else at
            listed.highlighted = min(wanted, len(self._recipe) - 1)
        self._look()

    @on(OptionList.OptionHighlighted, "#steps")
    def _look(self) -> None:
        """Work out what the step at the cursor does, after those before it."""
        shown, version = self.query_one("#preview", Static), self.version
        at = self._at
        if version is None:
            return
        if not self._recipe or at is None:
            shown.update(Text(NONE_YET, "dim"))
            return
        if not self._recipe[at].on:
            shown.update(Text("This step is switched off; space switches it on.", "dim"))
            return
        steps = [each.step for each in self._recipe[: at + 1] if each.on]
        shown.update(Text("looking… esc stops", "dim"))
        self._looking = True

        def looked(found: Preview) -> None:
            self._looking = False
            shown.update(preview_table(found))

        def failed(error: LeptonError) -> None:
            self._looking = False
            if isinstance(error, Cancelled):
                shown.update(
                    Text("stopped; a step that is moved to or changed is looked at", "dim")
                )
            else:
                told = [plain(each) for each in (error.what, error.hint) if each]
                shown.update(beside(Text("✗"), Text("\n".join(told))))

        wish = self._previewer.wished()
        self.data_screen.fetch(
            lambda: self._previewer.preview(version, Recipe.of(steps), wish),
            looked,
            group="preview",
            failed=failed,
        )

    def add(self, *steps: dict[str, Any]) -> None:
        """Put steps at the end of the recipe, but for those that it has already."""
        known = [each.step for each in self._recipe]
        self._recipe += [Written(step) for step in steps if step not in known]
        self._list()

    def action_add(self) -> None:
        def chosen(do: str | None) -> None:
            if do is not None:
                self._ask(do, None, self.add)

        self.app.push_screen(StepChoice(), chosen)

    def action_edit(self) -> None:
        at = self._at
        if at is None:
            return

        def put(step: dict[str, Any]) -> None:
            self._recipe[at].step = step
            self._list(at)

        step = self._recipe[at].step
        self._ask(step["do"], step, put)

    @on(OptionList.OptionSelected, "#steps")
    def _opened(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_edit()

    def _ask(self, do: str, given: dict[str, Any] | None, put: Any) -> None:
        def answered(step: dict[str, Any] | None) -> None:
            if step is not None:
                put(step)

        columns = self.version.column_names if self.version else []
        self.app.push_screen(StepForm(do, columns, given), answered)

    def action_switch(self) -> None:
        if (at := self._at) is not None:
            self._recipe[at].on = not self._recipe[at].on
            self._list(at)

    def action_drop(self) -> None:
        if (at := self._at) is not None:
            del self._recipe[at]
            self._list(at)

    def action_shift(self, by: int) -> None:
        at = self._at
        if at is not None and 0 <= at + by < len(self._recipe):
            self._recipe.insert(at + by, self._recipe.pop(at))
            self._list(at + by)

    def action_save(self) -> None:
        if self.steps:
            question = Ask("Save the recipe to", placeholder="recipe.toml")
            self.app.push_screen(question, self._ask_to_replace)
        else:
            self.notify("No step is switched on.", title="Nothing to save", timeout=5)

    def _ask_to_replace(self, typed: str | None) -> None:
        if typed is None:
            return
        path = written_path(typed)
        if not path.exists():
            self._save(path)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._save(path)

        self.app.push_screen(Confirm(f"Replace {path}?", "The file is there already."), answered)

    def _save(self, path: Path) -> None:
        recipe = Recipe.of(self.steps)

        def saved(_: None) -> None:
            self._say(f"saved to {plain(str(path))}")

        self.data_screen.fetch(lambda: recipe.save(path), saved, group="recipe")

    def action_load(self) -> None:
        question = Ask("Load a recipe from", placeholder="recipe.toml")
        self.app.push_screen(question, self._load)

    def _load(self, typed: str | None) -> None:
        if typed is None:
            return

        def loaded(recipe: Recipe) -> None:
            self._recipe = [Written(step) for step in recipe.to_json()]
            self._list()

        self.data_screen.fetch(lambda: Recipe.load(typed), loaded, group="recipe")

    # Running it

    def _say(self, words: str) -> None:
        self.query_one("#doing", Static).update(Text(words))

    def action_run(self) -> None:
        version, steps = self.version, self.steps
        if version is None or self._cleaning is not None:
            return
        if not steps:
            self.notify("Add a step with a, or switch one on.", title="Nothing to run", timeout=5)
            return
        self._cleaning = stop = threading.Event()
        self._say("cleaning… esc stops")

        def done(made: Version) -> None:
            self._ended(f"{made.ref}: {counted(made.rows, 'row')} · u takes it back")
            self._recipe = [each for each in self._recipe if not each.on]
            self._list()
            self.post_message(self.VersionMade(made))

        def failed(error: LeptonError) -> None:
            self._ended("stopped; nothing was changed" if isinstance(error, Cancelled) else "")
            if not isinstance(error, Cancelled):
                self.data_screen.show_error(error)

        def work() -> Version:
            from core.ingest import note_again

            made = clean(self.lake, version, Recipe.of(steps), should_stop=stop.is_set)
            return note_again(self.lake, made)

        self.data_screen.fetch(work, done, group="clean", failed=failed)

    def _ended(self, words: str) -> None:
        self._cleaning = None
        self._say(words)

    def stop(self) -> bool:
        """Stop a cleaning, or else a look at what a step does; whether there was one."""
        if self._cleaning is not None:
            self._cleaning.set()
            self._say("stopping…")
        elif self._looking:
            wish = self._previewer.wished()
            self.data_screen.fetch(
                lambda: self._previewer.give_up(wish), lambda _: None, group="stop preview"
            )
        else:
            return False
        return True

    def action_undo(self) -> None:
        version = self.version
        if version is None:
            return

        def done(made: Version) -> None:
            self._say(f"taken back: {made.ref} has the rows from before")
            self.post_message(self.VersionMade(made))

        self.data_screen.fetch(lambda: undo(self.lake, version.dataset), done, group="clean")

    def shell_command(self) -> str:
        if not self.steps:
            return f"lepton data clean {self.name_in_shell} --recipe FILE"
        return clean_command(self.ref, self.steps)


def _line(number: int, written: Written) -> Text:
    """A step in a line of the list."""
    style = "" if written.on else "strike dim"
    return Text.assemble(
        (f" {number}  ", "dim"),
        (written.step["do"], f"bold {style}".strip()),
        (f"  {plain(settings_words(written.step))}", style),
        "" if written.on else ("  off", "yellow"),
        no_wrap=True,
        overflow="ellipsis",
    )


def preview_table(found: Preview) -> RenderableType:
    """What a step does: how many rows, which columns, and some of them before and after."""
    of = f"  among the {human_count(found.looked_at)} looked at" if found.sampled else ""
    said = [
        f"{counted(found.rows_changed, 'row')} changed" if found.rows_changed else "",
        f"{counted(found.rows_dropped, 'row')} dropped" if found.rows_dropped else "",
        f"+ column {plain(', '.join(found.columns_added))}" if found.columns_added else "",
        f"- column {plain(', '.join(found.columns_removed))}" if found.columns_removed else "",
    ]
    told = " · ".join(each for each in said if each) or "nothing would change"
    head = Text.assemble((told, "bold"), (of, "dim"))
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for name, right in (("row", True), ("column", False), ("before", False), ("after", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for each in found.examples:
        if each.after is None:
            values = ", ".join(cell_text(v, 12).text for v in list(each.before.values())[:4])
            table.add_row(str(each.rid), "", Text(values), Text("dropped", "red"))
            continue
        for column, value in each.after.items():
            before = each.before.get(column)
            if before != value or column not in each.before:
                old = cell_text(before, VALUE).text if column in each.before else ""
                table.add_row(
                    str(each.rid),
                    Text(plain(column)),
                    Text(old, "red"),
                    Text(cell_text(value, VALUE).text, "green"),
                )
    return Group(head, Text(), table) if found.examples else head
