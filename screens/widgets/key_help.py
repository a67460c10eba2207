"""HelpScreen: every key that works where the person is, read from the bindings themselves."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static


def key_groups(screen: Screen[object]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The active keys: the screen's own, the app's, then those of what has the focus."""
    groups: dict[str, dict[str, list[str]]] = {"This screen": {}, "Everywhere": {}, "Here": {}}
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.description or binding.system:
            continue
        where = "Here"
        if isinstance(active.node, App):
            where = "Everywhere"
        elif isinstance(active.node, Screen):
            where = "This screen"
        said = binding.tooltip or binding.description
        groups[where].setdefault(said, []).append(screen.app.get_key_display(binding))
    return [
        (name, [(" ".join(keys), said) for said, keys in found.items()])
        for name, found in groups.items()
        if found
    ]


class HelpScreen(ModalScreen[None]):
    """All keys; it scrolls where they do not fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close"),
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 72; height: auto; max-height: 95%;
        border: round $primary; background: $surface; padding: 0 1;
    }
    HelpScreen Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else self.app.screen
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "esc closes"
            for title, keys in key_groups(below):
                table = Table.grid(padding=(0, 2))
                table.add_column(justify="right", style="bold", min_width=12)
                table.add_column()
                for key, said in keys:
                    table.add_row(Text(key), Text(said))
                yield Static(Text(title, "bold underline"))
                yield Static(table)
