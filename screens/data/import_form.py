"""The form that brings data in: what, under which name, and for what."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from core.tasks import TASKS


@dataclass(frozen=True)
class ImportRequest:
    """What a person asked to bring in."""

    source: str
    name: str | None
    target: str | None
    task: str | None

    def shell_command(self) -> str:
        words = ["lepton", "data", "import", self.source]
        for flag, value in (
            ("--name", self.name),
            ("--target", self.target),
            ("--task", self.task),
        ):
            words += [flag, value] if value else []
        return shlex.join(words)


class ImportForm(ModalScreen[ImportRequest | None]):
    """Asks for a source; the rest can be left to Lepton."""

    AUTO_FOCUS = "#source"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Cancel")]
    DEFAULT_CSS = """
    ImportForm { align: center middle; }
    ImportForm > VerticalScroll {
        width: 76; height: auto; max-height: 95%;
        border: round $primary; background: $surface; padding: 0 1;
    }
    ImportForm Label { margin-top: 1; color: $text-muted; }
    ImportForm Input, ImportForm Select { height: 1; border: none; padding: 0; }
    ImportForm Select > SelectCurrent { border: none; padding: 0 1; height: 1; }
    ImportForm #problem { color: $error; height: auto; }
    ImportForm Horizontal { height: auto; margin-top: 1; align-horizontal: right; }
    ImportForm Button { margin-left: 2; }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "Bring data in"
            box.border_subtitle = "enter imports · esc cancels"
            yield Label("File, folder, or mnist-sample, mnist, cifar10, imdb")
            yield Input(placeholder="~/photos   reviews.csv   rows.parquet", id="source")
            yield Label("Name (from the file's name if left empty)")
            yield Input(id="name")
            yield Label("Target column (guessed if left empty)")
            yield Input(id="target")
            yield Label("Task")
            yield Select([(name, name) for name in TASKS], prompt="guess it", id="task")
            yield Static(id="problem", markup=False)
            with Horizontal():
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Import", id="import", variant="primary", compact=True)

    def on_input_submitted(self) -> None:
        self._submit()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "import":
            self._submit()
        else:
            self.dismiss(None)

    def _submit(self) -> None:
        source = self._typed("source")
        if source is None:
            self.query_one("#problem", Static).update(Text("Name a file, a folder or a data set."))
            self.query_one("#source").focus()
            return
        task = self.query_one("#task", Select).value
        self.dismiss(
            ImportRequest(
                source=source,
                name=self._typed("name"),
                target=self._typed("target"),
                task=task if isinstance(task, str) else None,
            )
        )

    def _typed(self, field: str) -> str | None:
        return self.query_one(f"#{field}", Input).value.strip() or None
