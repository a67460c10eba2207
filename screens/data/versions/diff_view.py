"""What differs between two versions, in a window."""

from __future__ import annotations

from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType

from core.data.diff import Diff, diff
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.errors import LeptonError
from screens.fetching import Fetch
from screens.tables import plain_table
from screens.text import counted, human_count, plain
from screens.widgets.ask import Ask
from screens.widgets.cells import cell_text
from screens.widgets.command_modal import CommandModal
from screens.widgets.text_window import TextWindow

VALUE = 20
SHOWN = 12
CELLS = 4
SIGNS = {"added": "+", "removed": "-", "changed": "~"}


class DiffView(TextWindow):
    """Compares two versions and shows columns, counts and some rows; by other columns on a wish."""

    KEYS = "o other keys · y command · esc closes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "dismiss", "Close", show=False),
        Binding("o", "tell_by", "Columns that tell a row"),
        Binding("y", "show_command", "Command"),
    ]

    def __init__(self, lake: Lake, old: Version, new: Version, fetch: Fetch[Diff]) -> None:
        super().__init__(f"{old.ref} → {new.ref}")
        self._lake = lake
        self._old = old
        self._new = new
        self._fetch = fetch
        self._on: list[str] = []

    def on_mount(self) -> None:
        self._compare()

    def _compare(self) -> None:
        self.show(Text("comparing…", "dim"))
        on = self._on

        def done(found: Diff) -> None:
            self.show(told(found))

        def failed(error: LeptonError) -> None:
            words = "\n  ".join(plain(each) for each in (str(error), error.hint) if each)
            self.show(Text(f"✗ {words}", "red"))

        self._fetch(
            lambda: diff(self._lake, self._old, self._new, on=on or None, examples=SHOWN),
            done,
            group="diff",
            failed=failed,
        )

    def action_tell_by(self) -> None:
        def answered(typed: str | None) -> None:
            if typed is not None:
                self._on = [name.strip() for name in typed.split(",") if name.strip()]
                self._compare()

        question = Ask("Columns that tell a row", value=",".join(self._on), placeholder="id,day")
        self.app.push_screen(question, answered)

    def action_show_command(self) -> None:
        import shlex

        words = ["lepton", "data", "diff", self._old.ref, self._new.ref]
        words += ["--on", ",".join(self._on)] if self._on else []
        self.app.push_screen(CommandModal(shlex.join(words)))


def told(found: Diff) -> RenderableType:
    """Columns, counts of rows and cells, and some of the rows before and after."""
    if found.same:
        return Text("The same columns and rows.")
    by_content = found.matched == ("content",)
    counts = [f"{human_count(found.added)} added", f"{human_count(found.removed)} removed"]
    counts += [] if by_content else [f"{human_count(found.changed)} changed"]
    of = f"  {human_count(found.old.rows)} → {counted(found.new.rows, 'row')}"
    lines: list[RenderableType] = [
        Text.assemble(("rows: " + " · ".join(counts), "bold"), (of, "dim"))
    ]
    if found.matched != ("_rid",):
        lines.append(Text(f"Rows are told by {plain(', '.join(found.matched))}.", "dim"))
    for sign, names, version, style in (
        ("+", found.columns_added, found.new, "green"),
        ("-", found.columns_removed, found.old, "red"),
    ):
        for name in names:
            kind = version.column(name).type.lower()
            lines.append(Text(f"{sign} column {plain(name)}  {kind}", style))
    for each in found.retyped:
        said = f"~ column {plain(each.name)}  {each.old.lower()} → {each.new.lower()}"
        lines.append(Text(said, "yellow"))
    if found.cells:
        most_first = sorted(found.cells.items(), key=lambda each: (-each[1], each[0]))
        said = ", ".join(f"{plain(name)} {human_count(n)}" for name, n in most_first)
        lines.append(Text(f"changed cells: {said}"))
    return Group(*lines, *([Text(), _examples(found)] if found.examples else []))


def _examples(found: Diff) -> RenderableType:
    table = plain_table("", "row", "column", "before", "after")
    for change in found.examples:
        key = ", ".join(cell_text(value, VALUE).text for value in change.key.values())
        cells = list(change.cells.items())
        for name, (before, after) in cells[:CELLS]:
            old = "" if change.kind == "added" else cell_text(before, VALUE).text
            new = "" if change.kind == "removed" else cell_text(after, VALUE).text
            table.add_row(SIGNS[change.kind], Text(key), Text(plain(name)), Text(old), Text(new))
        if len(cells) > CELLS:
            more = counted(len(cells) - CELLS, "more column")
            table.add_row("", "", Text(f"… {more}", "dim"), "", "")
    return table
