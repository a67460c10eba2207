"""CommandModal: the shell command that does what the screen shows."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from screens.text import plain_lines
from screens.widgets.window import Window


class CommandModal(Window[None]):
    """Shows one command; `c` copies it to the terminal's clipboard."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,y,q,enter", "dismiss", "Close"),
        Binding("c", "copy", "Copy"),
    ]
    DEFAULT_CSS = """
    CommandModal > VerticalScroll { width: 90%; max-width: 100; padding: 1 2; }
    """

    def __init__(self, command: str) -> None:
        super().__init__()
        self.command = command

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "The same in a shell"
            copy, close = "[@click=screen.copy]c copies[/]", "[@click=screen.dismiss]esc closes[/]"
            box.border_subtitle = f"{copy} · {close}"
            yield Static(Text(plain_lines(self.command), "bold"))

    def action_copy(self) -> None:
        """Copy by the terminal's own escape (OSC 52), which reaches through SSH."""
        self.app.copy_to_clipboard(self.command)
        self.notify("In tmux this needs: set -g set-clipboard on", title="Copied", markup=False)
