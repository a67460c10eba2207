"""The form that brings data in: what, under which name, and for what."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Select

from core.data.lake.lake import Lake
from core.data.sources import Options, Preview, Reading
from core.errors import LeptonError
from core.tasks import TASKS
from core.workspace import written_path
from screens.data.fetching import Fetch
from screens.text import counted, plain
from screens.widgets.cells import cell_text
from screens.widgets.form import Form, options, row

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
        source = written_path(self.source)
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


class ImportForm(Form[ImportRequest]):
    """Asks for a source; the rest can be left to Lepton, or looked at first."""

    HEADING = "Bring data in"
    KEYS = "enter imports · ^l looks first · tab next field · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("look", "Look"), ("done", "Import"))
    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "look", "Look first"),
        Binding("ctrl+y", "show_command", "Command"),
    ]

    def __init__(self, lake: Lake, fetch: Fetch[Preview]) -> None:
        super().__init__()
        self._lake = lake
        self._fetch = fetch

    def fields(self) -> ComposeResult:
        yield from row("source", Input(placeholder="~/photos  reviews.csv  mnist-sample"))
        yield from row("name", Input(placeholder="from the file's name"))
        yield from row("target", Input(placeholder="the column to predict; guessed"))
        tasks = Select(options(TASKS), prompt="guess it", compact=True)
        yield from row("task", tasks)
        yield from row("types", Input(placeholder="zip=text, day=date; guessed"))

    def on_mount(self) -> None:
        self.found(
            Text(
                "A file, a folder, a pattern ('days/*.csv'), an archive, an address, or a"
                " built-in set: mnist-sample, mnist, cifar10, imdb.",
                "dim",
            )
        )

    def action_done(self) -> None:
        if (request := self._request()) is not None:
            self.dismiss(request)

    def _request(self) -> ImportRequest | None:
        """What the fields ask for; None where they cannot, which is said."""
        source = self.typed("source")
        if source is None:
            self.complain("Name a file, a folder or a data set.", "source")
            return None
        types: dict[str, str] = {}
        for part in filter(str.strip, (self.typed("types") or "").split(",")):
            column, equals, kind = part.partition("=")
            if not equals:
                self.complain(f'Write COLUMN=TYPE; "{part.strip()}" is none.', "types")
                return None
            types[column.strip()] = kind.strip()
        return ImportRequest(
            source, self.typed("name"), self.typed("target"), self.typed("task"), types
        )

    def action_look(self) -> None:
        """Show the columns with their types and the first rows; nothing is kept."""
        if (request := self._request()) is None:
            return
        self.found(Text("looking…", "dim"))
        self.complain("")

        def look() -> Preview:
            from core.data.sources import preview_source

            options = Options(types=request.types)
            source = request.spec()["source"]
            return preview_source(self._lake, source, Reading(options=options))

        def done(found: Preview) -> None:
            if self.is_attached:
                self.found(preview_of(found))

        def failed(error: LeptonError) -> None:
            if self.is_attached:
                self.found("")
                self.complain(error)

        self._fetch(look, done, group="look", failed=failed)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        if (request := self._request()) is not None:
            self.app.push_screen(CommandModal(request.shell_command()))


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
