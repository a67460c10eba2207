"""Confirm: a question before what cannot be taken back."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Static

from screens.text import plain_lines
from screens.widgets.window import Window


class Confirm(Window[bool]):
    """Asks; `y` is yes, `n`, escape and `q` are no, and so is Enter for a person in haste."""

    AUTO_FOCUS = "#no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
        Binding("left", "app.focus_previous", "The other answer", show=False),
        Binding("right", "app.focus_next", "The other answer", show=False),
    ]
    DEFAULT_CSS = """
    Confirm > VerticalScroll { width: 64; border: round $warning; padding: 1 2; }
    Confirm Static { height: auto; margin-bottom: 1; }
    Confirm Horizontal { height: 1; align-horizontal: right; }
    Confirm Button { margin-left: 2; }
    """

    def __init__(self, question: str, consequences: str = "") -> None:
        super().__init__()
        self._question = question
        self._consequences = consequences

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(Text(plain_lines(self._question), "bold"))
            if self._consequences:
                yield Static(Text(plain_lines(self._consequences)))
            with Horizontal():
                yield Button("y Yes", id="yes", variant="warning", compact=True)
                yield Button("n No", id="no", compact=True)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")
