"""Ask: one line to be typed, in a window of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from core.errors import UsageError
from screens.text import plain_lines
from screens.widgets.window import Window


class Ask(Window[str | None]):
    """Answers with what was typed, without blanks around it; None for nothing or for escape.

    What `check` refuses is not taken: it says why, and the line is still there to be mended.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Cancel")]
    DEFAULT_CSS = """
    Ask > Vertical { width: 64; }
    Ask Static { height: auto; color: $text-muted; }
    Ask #refused { color: $text-error; display: none; }
    """

    def __init__(
        self,
        question: str,
        *,
        value: str = "",
        placeholder: str = "",
        explained: str = "",
        check: Callable[[str], object] = str,
    ) -> None:
        """`check` raises a UsageError of what cannot be."""
        super().__init__()
        self._question = question
        self._value = value
        self._placeholder = placeholder
        self._explained = explained
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._question
            box.border_subtitle = "enter · esc cancels"
            yield Input(self._value, placeholder=self._placeholder, compact=True)
            yield Static(id="refused", markup=False)
            if self._explained:
                yield Static(Text(plain_lines(self._explained)))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        written = event.value.strip()
        if written:
            try:
                self._check(written)
            except UsageError as error:
                self._refuse(f"✗ {error.what}. {error.hint}")
                return
        self.dismiss(written or None)

    def on_input_changed(self) -> None:
        self._refuse("")

    def _refuse(self, words: str) -> None:
        place = self.query_one("#refused", Static)
        place.display = bool(words)
        place.update(Text(plain_lines(words)))
