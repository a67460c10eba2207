"""Pick: one of many, chosen by typing a part of it or by the arrow keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from screens.text import plain, plain_lines
from screens.widgets.window import Window


class Pick(Window[str | None]):
    """Answers with the choice that was taken; None for escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Cancel"),
        Binding("down", "move(1)", "Next", show=False, priority=True),
        Binding("up", "move(-1)", "Previous", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    Pick > Vertical { width: 64; }
    Pick OptionList { height: auto; max-height: 14; border: none; padding: 0; }
    Pick OptionList { background: $surface; }
    Pick Static { height: auto; color: $text-muted; }
    """

    def __init__(
        self, question: str, choices: Sequence[str], *, first: int = 0, explained: str = ""
    ) -> None:
        super().__init__()
        self._question = question
        self._choices = choices
        self._first = first
        self._explained = explained

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Text(plain(self._question))
            box.border_subtitle = "type to find · ↑↓ · enter · esc cancels"
            yield Input(placeholder="a part of it", compact=True)
            yield OptionList()
            if self._explained:
                yield Static(Text(plain_lines(self._explained)))

    def on_mount(self) -> None:
        # The list never has the keys: they go to the field, and the arrows move in the list.
        self.query_one(OptionList).can_focus = False
        self._show("")
        listed = self.query_one(OptionList)
        listed.highlighted = min(self._first, listed.option_count - 1)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if event.value:
            self._show(event.value)

    def _show(self, part: str) -> None:
        """Those that hold what was typed, those that begin with it first."""
        part = part.casefold()
        held = [at for at, each in enumerate(self._choices) if part in each.casefold()]
        held.sort(key=lambda at: not self._choices[at].casefold().startswith(part))
        listed = self.query_one(OptionList)
        listed.set_options(Option(Text(plain(self._choices[at])), id=str(at)) for at in held)
        listed.highlighted = 0 if held else None

    def action_move(self, by: int) -> None:
        listed = self.query_one(OptionList)
        if by > 0:
            listed.action_cursor_down()
        else:
            listed.action_cursor_up()

    @on(Input.Submitted)
    def _entered(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is not None:
            self.dismiss(self._choices[int(option.id or 0)])

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[int(event.option_id or 0)])
