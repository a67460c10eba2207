"""The form that brings data in: what, under which name, and for what."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Select

from core.data.builtin.naming import whole_source
from core.data.lake.lake import Lake
from core.data.sources import Options, Preview, Reading
from core.errors import LeptonError
from core.tasks import TASKS
from screens.fetching import Fetch, while_open
from screens.text import counted, plain
from screens.widgets.cells import cell_text
from screens.widgets.form import Form, options, row

SHOWN_ROWS = 4
_EXPLAINED = {
    "all": "A file, a folder, a pattern ('days/*.csv'), an archive, an address, or a built-in set:"
    " mnist-sample, mnist, cifar10, imdb.",
    "append": "Files that were never brought in, and of a file that changed the rows that are not"
    " there yet, become the next version. The columns must be those of the data set.",
    "refresh": "Its source is read again: new files, and new rows of files that changed, become the"
    " next version.",
}


WAYS = {
    "all": "all of a source, as a data set or its next version",
    "append": "what is new in a source, added to a data set",
    "refresh": "what is new where a data set came from",
}
FIELDS = {
    "all": ("source", "name", "target", "task", "types"),
    "append": ("source", "into", "types"),
    "refresh": ("into",),
}


@dataclass(frozen=True)
class ImportRequest:
    """What a person asked to bring in; without a source, what is new where `name` came from."""

    source: str | None
    name: str | None
    target: str | None = None
    task: str | None = None
    types: dict[str, str] = field(default_factory=dict)
    only_new: bool = False

    def spec(self) -> dict[str, Any]:
        """What the run of the import is told."""
        return {
            "source": self.place,
            "name": self.name,
            "target": self.target,
            "task": self.task,
            "only_new": self.only_new,
            "options": {"types": self.types},
        }

    @property
    def place(self) -> str | None:
        """The source as a process in another folder must be told it."""
        return None if self.source is None else whole_source(self.source)

    def shell_command(self) -> str:
        words = ["lepton", "data", "import", *([self.source] if self.source else [])]
        for flag, value in (
            ("--name", self.name),
            ("--target", self.target),
            ("--task", self.task),
        ):
            words += [flag, value] if value else []
        if self.only_new:
            words.append("--append" if self.source else "--refresh")
        for column, kind in self.types.items():
            words += ["--type", f"{column}={kind}"]
        return shlex.join(words)


class ImportForm(Form[ImportRequest]):
    """Asks for a source; the rest can be left to Lepton, or looked at first."""

    HEADING = "Bring data in"
    KEYS = "^s imports · ^l looks first · tab next field · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("look", "Look"), ("done", "Import"))
    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "look", "Look first"),
        Binding("ctrl+y", "show_command", "Command"),
    ]

    def __init__(
        self, lake: Lake, fetch: Fetch[Any], datasets: Sequence[str] = (), chosen: str | None = None
    ) -> None:
        super().__init__()
        self._lake = lake
        self._fetch = while_open(self, fetch)
        self._datasets = datasets
        self._chosen = chosen

    def fields(self) -> ComposeResult:
        ways = [(Text(words), way) for way, words in WAYS.items()]
        yield from row(
            "way", Select(ways, value="all", allow_blank=False, compact=True), "Bring in"
        )
        yield from row("source", Input(placeholder="~/photos  reviews.csv  mnist-sample"))
        chosen = self._chosen or Select.NULL
        into = Select(options(self._datasets), value=chosen, prompt="choose", compact=True)
        yield from row("into", into, "Data set")
        yield from row("name", Input(placeholder="from the file's name"))
        yield from row("target", Input(placeholder="the column to predict; guessed"))
        tasks = Select(options(TASKS), prompt="guess it", compact=True)
        yield from row("task", tasks)
        yield from row("types", Input(placeholder="zip=text, day=date; guessed"))

    def on_mount(self) -> None:
        # There is nothing yet that could be added to.
        self.show("way", bool(self._datasets))
        self._other_way()

    @property
    def _way(self) -> str:
        return self.typed("way") or "all"

    @on(Select.Changed, "#way")
    def _other_way(self) -> None:
        """Show the fields that the way needs, and say what it does."""
        for name in dict.fromkeys(name for names in FIELDS.values() for name in names):
            self.show(name, name in FIELDS[self._way])
        types = "guessed" if self._way == "all" else "as the data set has them"
        self.query_one("#types", Input).placeholder = f"zip=text, day=date; {types}"
        self.complain("")
        self.found(Text(_EXPLAINED[self._way], "dim"))
        self._say_origin()

    @on(Select.Changed, "#into")
    def _say_origin(self) -> None:
        """Say where the data set came from, which is where a refresh looks."""
        name = self.typed("into")
        if self._way != "refresh" or name is None:
            return
        self.complain("")

        def still() -> bool:
            return (self._way, self.typed("into")) == ("refresh", name)

        def done(source: str) -> None:
            if still():
                explained = (f"{_EXPLAINED['refresh']}\n", "dim")
                self.found(Text.assemble(explained, f"It came from {plain(source)}."))

        def failed(error: LeptonError) -> None:
            if still():
                self.complain(error)

        self._fetch(lambda: origin(self._lake, name), done, group="origin", failed=failed)

    def action_done(self) -> None:
        if (request := self._request()) is not None:
            self.dismiss(request)

    def _request(self) -> ImportRequest | None:
        """What the fields ask for; None where they cannot, which is said."""
        shown, only_new = FIELDS[self._way], self._way != "all"
        source = self.typed("source") if "source" in shown else None
        if source is None and "source" in shown:
            self.complain("Name a file, a folder or a data set.", "source")
            return None
        into = self.typed("into")
        if only_new and into is None:
            self.complain("Choose the data set that is added to.", "into")
            return None
        types: dict[str, str] = {}
        typed = self.typed("types") if "types" in shown else None
        for part in filter(str.strip, (typed or "").split(",")):
            column, equals, kind = part.partition("=")
            if not equals:
                self.complain(f'Write COLUMN=TYPE; "{part.strip()}" is none.', "types")
                return None
            types[column.strip()] = kind.strip()
        if only_new:
            return ImportRequest(source, into, types=types, only_new=True)
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
            place = request.place or origin(self._lake, str(request.name))
            return preview_source(self._lake, place, Reading(options=options))

        def done(found: Preview) -> None:
            self.found(preview_of(found))

        def failed(error: LeptonError) -> None:
            self.found("")
            self.complain(error)

        self._fetch(look, done, group="look", failed=failed)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        if (request := self._request()) is not None:
            self.app.push_screen(CommandModal(request.shell_command()))


def origin(lake: Lake, dataset: str) -> str:
    """Where a data set's last import came from.

    Raises:
        UsageError: it was not imported, or does not say from where.
    """
    from core.data.sources.renew import last_import, origin_of

    return origin_of(last_import(lake, dataset))


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
