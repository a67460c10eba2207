"""The rules of a data set, in a window: which hold, and their file in a person's editor."""

from __future__ import annotations

import shlex
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.finding import Finding
from core.data.quality.keeping import check_rules
from core.data.quality.rule_file import rules_of, rules_path, write_template
from core.data.quality.rules import Rule
from core.errors import LeptonError
from screens.editor import edit_file
from screens.fetching import Fetch
from screens.text import plain
from screens.widgets.command_modal import CommandModal
from screens.widgets.text_window import TextWindow

NONE_YET = (
    "There are no rules yet. A rule says what must hold: no missing values, a range, a pattern,"
    " allowed values, unique values, how fresh. Rules run on every import and every check.\n\n"
    "e begins a file of them, with this data set's columns in it."
)


class RulesView(TextWindow):
    """Lists the rules and whether a version keeps them; `e` edits the file and tries it again."""

    KEYS = "e edits · y command · esc closes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "dismiss", "Close", show=False),
        Binding("e", "edit", "Edit the rules"),
        Binding("y", "show_command", "Command"),
    ]

    def __init__(self, lake: Lake, version: Version, fetch: Fetch[Any]) -> None:
        super().__init__(f"Rules of {version.dataset}")
        self._lake = lake
        self._version = version
        self._fetch = fetch
        self._path = rules_path(lake.workspace, version.dataset)

    def on_mount(self) -> None:
        self._try()

    def _try(self) -> None:
        """Hold the version against the rules."""
        self.show(Text("trying them…", "dim"))

        def work() -> tuple[list[Rule], list[Finding]]:
            rules = rules_of(self._lake.workspace, self._version.dataset)
            with self._lake.open(self._version) as view:
                return rules, check_rules(self._lake, view, rules)

        def failed(error: LeptonError) -> None:
            words = "\n  ".join(plain(each) for each in (str(error), error.hint) if each)
            self.show(Text(f"✗ {words}", "red"))

        self._fetch(work, lambda found: self.show(self._told(*found)), group="rules", failed=failed)

    def _told(self, rules: list[Rule], broken: list[Finding]) -> Text:
        if not rules:
            return Text(NONE_YET)
        said = Text(f"{plain(str(self._path))}\n", "dim")
        for n, rule in enumerate(rules, 1):
            failed = [each for each in broken if each.what.startswith(f"rule {n} (")]
            mark, style = ("✗", "bold red") if failed else ("✓", "green")
            said.append(f"\n{mark} ", style)
            said.append(f"{n} {rule.check}: {plain(rule.in_words())}")
            for each in failed:
                said.append(f"\n    {plain(each.what.partition(': ')[2] or each.what)}", "red")
        kept = len(rules) - len({each.what.split(" ")[1] for each in broken})
        said.append(f"\n\n{kept} of {len(rules)} hold in {self._version.ref}.")
        return said

    def action_edit(self) -> None:
        try:
            if not self._path.exists():
                write_template(self._lake.workspace, self._version)
            edit_file(self.app, self._path)
        except LeptonError as error:
            self.notify(
                plain(error.hint or " "), title=plain(str(error)), severity="error", markup=False
            )
            return
        self._try()

    def action_show_command(self) -> None:
        words = ["lepton", "data", "rules", self._version.ref]
        self.app.push_screen(CommandModal(shlex.join(words)))
