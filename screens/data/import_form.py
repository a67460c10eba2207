"""The form that brings data in: what, under which name, and for what."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from core.data.lake import Lake
from core.data.sources import Options, Preview, Reading
from core.errors import LeptonError
from core.tasks import TASKS
from screens.data.fetching import Fetch
from screens.text import counted, plain
from screens.widgets.cells import cell_text

SHOWN_ROWS = 4


@dataclass(frozen=True)
class ImportRequest:
    """What a person asked to bring in."""

    source: str
    name: str | None
    target: str | None
    task: str | None
    types: dict[str, str] = field(default_factory=dict)

    def spec(self) -> dict[str, Any]:
        """What the run of the import is told."""
        source = Path(self.source).expanduser()
        return {
            "source": str(source.absolute()) if source.exists() else self.source,
            "name": self.name,
            "target": self.target,
            "task": self.task,
            "options": {"types": self.types},
        }

    def shell_command(self) -> str:
        words = ["lepton", "data", "import", self.source]
        for flag, value in (
            ("--name", self.name),
            ("--target", self.target),
            ("--task", self.task),
        ):
            words += [flag, value] if value else []
        for column, kind in self.types.items():
            words += ["--type", f"{column}={kind}"]
        return shlex.join(words)


class ImportForm(ModalScreen[ImportRequest | None]):
    """Asks for a source; the rest can be left to Lepton, or looked at first."""

    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel"),
        Binding("ctrl+l", "look", "Look first"),
        Binding("ctrl+y", "show_command", "Command"),
    ]
    DEFAULT_CSS = """
    ImportForm { align: center middle; }
    ImportForm > VerticalScroll {
        width: 78; max-width: 100%; height: auto; max-height: 100%;
        border: round $primary; background: $surface; padding: 0 1; scrollbar-size-vertical: 1;
    }
    ImportForm .row { height: 1; }
    ImportForm .row > Label { width: 9; color: $text-muted; }
    ImportForm .row > Input { width: 1fr; background: $boost; padding: 0; }
    ImportForm .row > Select { width: 1fr; }
    ImportForm SelectCurrent { background: $boost; padding: 0; }
    ImportForm .row > :focus, ImportForm Select:focus > SelectCurrent { background: $primary 30%; }
    ImportForm #found { height: auto; margin-top: 1; }
    ImportForm #problem { color: $text-error; height: auto; }
    ImportForm #buttons { height: 1; margin-top: 1; align-horizontal: right; }
    ImportForm Button { margin-left: 2; }
    """

    def __init__(self, lake: Lake, fetch: Fetch[Preview]) -> None:
        super().__init__()
        self._lake = lake
        self._fetch = fetch

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.can_focus = False
            box.border_title = "Bring data in"
            box.border_subtitle = "enter imports · ^l looks first · tab next field · esc cancels"
            yield from _row("source", Input(placeholder="~/photos  reviews.csv  mnist-sample"))
            yield from _row("name", Input(placeholder="from the file's name"))
            yield from _row("target", Input(placeholder="the column to predict; guessed"))
            options = [(name, name) for name in TASKS]
            yield from _row("task", Select(options, prompt="guess it", compact=True))
            yield from _row("types", Input(placeholder="zip=text, day=date; guessed"))
            yield Static(
                Text(
                    "A file, a folder, a pattern ('days/*.csv'), an archive, an address, or a"
                    " built-in set: mnist-sample, mnist, cifar10, imdb.",
                    "dim",
                ),
                id="found",
                markup=False,
            )
            yield Static(id="problem", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Look", id="look", compact=True)
                yield Button("Import", id="import", variant="primary", compact=True)

    def on_input_submitted(self) -> None:
        self._submit()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "import":
            self._submit()
        elif event.button.id == "look":
            self.action_look()
        else:
            self.dismiss(None)

    def _submit(self) -> None:
        if (request := self._request()) is not None:
            self.dismiss(request)

    def _request(self) -> ImportRequest | None:
        """What the fields ask for; None where they cannot, which is said."""
        source = self._typed("source")
        if source is None:
            self._complain("Name a file, a folder or a data set.", "source")
            return None
        types: dict[str, str] = {}
        for part in filter(str.strip, (self._typed("types") or "").split(",")):
            column, equals, kind = part.partition("=")
            if not equals:
                self._complain(f'Write COLUMN=TYPE; "{part.strip()}" is none.', "types")
                return None
            types[column.strip()] = kind.strip()
        task = self.query_one("#task", Select).selection
        return ImportRequest(source, self._typed("name"), self._typed("target"), task, types)

    def action_look(self) -> None:
        """Show the columns with their types and the first rows; nothing is kept."""
        if (request := self._request()) is None:
            return
        shown = self.query_one("#found", Static)
        shown.update(Text("looking…", "dim"))
        self._complain("")

        def look() -> Preview:
            from core.data.sources import preview_source

            options = Options(types=request.types)
            source = request.spec()["source"]
            return preview_source(self._lake, source, Reading(options=options))

        def done(found: Preview) -> None:
            if self.is_attached:
                shown.update(preview_of(found))

        def failed(error: LeptonError) -> None:
            if self.is_attached:
                shown.update("")
                self._complain(". ".join(said for said in (str(error), error.hint) if said))

        self._fetch(look, done, group="look", failed=failed)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        if (request := self._request()) is not None:
            self.app.push_screen(CommandModal(request.shell_command()))

    def _complain(self, words: str, at: str | None = None) -> None:
        self.query_one("#problem", Static).update(Text(f"✗ {plain(words)}" if words else ""))
        if at is not None:
            self.query_one(f"#{at}").focus()

    def _typed(self, name: str) -> str | None:
        return self.query_one(f"#{name}", Input).value.strip() or None


def _row(name: str, widget: Input | Select[str]) -> ComposeResult:
    widget.id = name
    if isinstance(widget, Input):
        widget.compact = True
    with Horizontal(classes="row"):
        yield Label(name.title())
        yield widget


def preview_of(found: Preview) -> RenderableType:
    """What an import would make, in a few lines."""
    said = Text.assemble(
        (f"{found.format}: ", "dim"),
        (counted(len(found.columns), "column"), "bold"),
        (f", {counted(found.count, 'row')}", "bold"),
    )
    if found.rejected:
        said.append(f", {counted(found.rejected, 'row')} cannot be taken", "yellow")
    table = Table(box=None, padding=(0, 1), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, overflow="ellipsis")
    for place, (name, kind) in enumerate(found.columns[:12]):
        values = [cell_text(row[place], 18).text for row in found.rows[:SHOWN_ROWS]]
        table.add_row(Text(plain(name)), Text(kind.lower()), Text(" · ".join(values)))
    if len(found.columns) > 12:
        table.add_row("…", "", f"{len(found.columns) - 12} more")
    notes = [Text(f"! {plain(note)}", "yellow") for note in found.notes]
    return Group(said, table, *notes)
