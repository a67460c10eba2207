"""The form that writes a data set to a file or a folder, and shows how far it is."""

from __future__ import annotations

import shlex
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Select

from core.data.exporting.export import FORMATS, Exported, export
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import SPLIT
from core.errors import Cancelled, LeptonError
from core.workspace import written_path
from screens.fetching import Fetch, while_open
from screens.refresh import refresh_interval
from screens.text import counted, human_count, plain
from screens.widgets.confirm import Confirm
from screens.widgets.form import Form, row

FORMAT_WORDS = {
    "excel": "excel: a workbook, .xlsx",
    "images": "images: a folder for each class",
    "coco": "coco: images, and their boxes in annotations/*.json",
    "huggingface": "huggingface: a folder that its datasets library loads",
}
BAR = 24


@dataclass(frozen=True)
class ExportRequest:
    """What of the version `ref` goes where, and as what; None stands for all, or for a guess."""

    ref: str
    to: str
    format: str | None
    split: str | None
    columns: tuple[str, ...] | None

    @property
    def path(self) -> Path:
        return written_path(self.to)

    def shell_command(self) -> str:
        words = ["lepton", "data", "export", self.ref, self.to]
        columns = ",".join(self.columns) if self.columns else None
        for name, value in (("format", self.format), ("split", self.split), ("columns", columns)):
            words += [f"--{name}", value] if value else []
        return shlex.join(words)


class ExportForm(Form[Exported]):
    """Asks where to and as what, and stays until it is written. Answers with what was."""

    KEYS = "enter exports · tab next field · ^y command · esc cancels"
    BUTTONS = (("cancel", "Cancel"), ("done", "Export"))
    AUTO_FOCUS = "#to"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+y", "show_command", "Command")]

    @dataclass
    class _Moved(Message):
        """A thread has come so far."""

        done: int
        whole: int

        bubble: ClassVar[bool] = False

    def __init__(self, lake: Lake, version: Version, fetch: Fetch[Any]) -> None:
        super().__init__()
        self._lake = lake
        self._version = version
        self._fetch = while_open(self, fetch)
        self._stop: threading.Event | None = None

    def heading(self) -> str:
        return f"Export {self._version.ref}"

    def fields(self) -> ComposeResult:
        version = self._version
        yield from row("to", Input(placeholder=f"~/{version.dataset}.csv"))
        formats = [(Text(FORMAT_WORDS.get(name, name)), name) for name in FORMATS]
        yield from row("format", Select(formats, prompt="by the ending of the name", compact=True))
        split: Select[str] = Select([], prompt="all rows", compact=True)
        yield from row("split", split)
        suggester = SuggestFromList(version.column_names, case_sensitive=False)
        yield from row("columns", Input(placeholder="all; or a,b,c", suggester=suggester))

    def on_mount(self) -> None:
        self.found(
            Text(
                "A file: .csv, .tsv, .jsonl, .parquet, .arrow, .xlsx; or a folder for images, coco"
                " and huggingface.",
                "dim",
            )
        )
        if SPLIT not in self._version.column_names:
            self.show("split", False)
            return

        def splits() -> dict[str, int]:
            with self._lake.open(self._version) as view:
                return view.splits()

        def there(found: dict[str, int]) -> None:
            listed = [(Text(f"{plain(n)}: {counted(r, 'row')}"), n) for n, r in found.items()]
            self.query_one("#split", Select).set_options(listed)

        self._fetch(splits, there, group="splits")

    @on(Input.Changed)
    @on(Select.Changed)
    def _otherwise(self) -> None:
        """What was wrong may be right now."""
        self.complain("")

    def _request(self) -> ExportRequest | None:
        to = self.typed("to")
        if to is None:
            self.complain("Name a file or a folder.", "to")
            return None
        listed = (self.typed("columns") or "").split(",")
        columns = tuple(name.strip() for name in listed if name.strip())
        return ExportRequest(
            self._version.ref, to, self.typed("format"), self.typed("split"), columns or None
        )

    def action_done(self) -> None:
        request = self._request()
        if request is None or self._stop is not None:
            return
        if not request.path.is_file():
            self._export(request, replace=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._export(request, replace=True)

        question = Confirm(f"Replace {request.path}?", "The file is there already.")
        self.app.push_screen(question, answered)

    def _export(self, request: ExportRequest, *, replace: bool) -> None:
        self._stop = stop = threading.Event()
        self.complain("")
        self._say("writing…")
        every, told = refresh_interval(), 0.0

        def moved(done: int, whole: int) -> None:
            nonlocal told
            if monotonic() - told > every:
                told = monotonic()
                self.post_message(self._Moved(done, whole))

        def work() -> Exported:
            with self._lake.open(self._version) as view:
                return export(
                    view,
                    request.path,
                    format=request.format,
                    split=request.split,
                    columns=request.columns,
                    replace=replace,
                    progress=moved,
                    should_stop=stop.is_set,
                )

        def done(written: Exported) -> None:
            self.dismiss(written)

        def failed(error: LeptonError) -> None:
            self._stop = None
            self.found(Text("stopped; nothing was written" * isinstance(error, Cancelled)))
            self.complain("" if isinstance(error, Cancelled) else error)

        self._fetch(work, done, group="export", failed=failed)

    def on_export_form__moved(self, message: _Moved) -> None:
        if self._stop is not None:
            done = message.done * BAR // max(message.whole, 1)
            of = f"{human_count(message.done)} of {counted(message.whole, 'row')}"
            self._say(f"{'━' * done}{'─' * (BAR - done)}  {of}")

    def _say(self, words: str) -> None:
        self.found(Text.assemble((words, "bold"), ("  esc stops", "dim")))

    def on_unmount(self) -> None:
        if self._stop is not None:
            self._stop.set()

    def action_cancel(self) -> None:
        if self._stop is not None:
            self._stop.set()
        else:
            self.dismiss(None)

    def action_show_command(self) -> None:
        from screens.widgets.command_modal import CommandModal

        if (request := self._request()) is not None:
            self.app.push_screen(CommandModal(request.shell_command()))


def exported_words(written: Exported) -> tuple[str, str]:
    """Title and text of what is said when an export is done."""
    notes = " ".join(f"{plain(note)}." for note in written.notes)
    what = "image" if written.format == "images" else "row"
    return f"{counted(written.rows, what)} written", f"{plain(str(written.path))} {notes}".strip()
