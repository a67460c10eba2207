"""SayBox: where a person writes what is said next, in one line or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class SayBox(TextArea):
    """Enter says it. Several lines are pasted, or broken with ^j."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "say", "Say", priority=True),
        Binding("ctrl+j,shift+enter", "break_line", "New line", priority=True),
        Binding("escape", "screen.leave_field", "Stop, or leave"),
    ]
    DEFAULT_CSS = """
    SayBox {
        height: auto; min-height: 3; max-height: 8; border: round $panel; padding: 0 1;
        background: $background; border-subtitle-color: $text-muted;
        &:focus { border: round $primary; background: $background; }
    }
    """

    @dataclass
    class Said(Message):
        """A person said this."""

        text: str

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, highlight_cursor_line=False)
        # Over SSH a cursor that blinks is a redraw twice a second.
        self.cursor_blink = False

    def action_say(self) -> None:
        if text := self.text.strip():
            self.post_message(self.Said(text))

    def action_break_line(self) -> None:
        self.insert("\n")
