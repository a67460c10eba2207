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

SCREEN, EVERYWHERE, HERE = "This screen", "Everywhere", "Here"
WIDEST_KEYS = 24


def key_groups(screen: Screen[object]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The keys that do something now: of the screen, of the app, of what has the focus."""
    groups: dict[str, dict[str, list[str]]] = {SCREEN: {}, EVERYWHERE: {}}
    focused: dict[str, dict[str, list[str]]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if not (binding.description and active.enabled) or binding.system:
            continue
        if isinstance(active.node, App):
            group = groups[EVERYWHERE]
        elif isinstance(active.node, Screen):
            group = groups[SCREEN]
        else:
            group = focused.setdefault(active.node.BINDING_GROUP_TITLE or HERE, {})
        said = binding.tooltip or binding.description
        group.setdefault(said, []).append(screen.app.get_key_display(binding))
    return [
        (name, [(" ".join(keys), said) for said, keys in found.items()])
        for name, found in (*groups.items(), *focused.items())
        if found
    ]


class HelpScreen(ModalScreen[None]):
    """All keys; it scrolls where they do not fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 72; max-width: 100%; height: auto; max-height: 95%;
        border: round $primary; background: $surface; padding: 0 1; scrollbar-size-vertical: 1;
    }
    HelpScreen Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else self.app.screen
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "[@click=screen.dismiss]esc closes[/]"
            for title, keys in key_groups(below):
                table = Table.grid(padding=(0, 2))
                table.add_column(justify="right", style="bold", min_width=12, max_width=WIDEST_KEYS)
                table.add_column()
                for key, said in keys:
                    table.add_row(Text(key), Text(said))
                yield Static(Text(title, "bold underline"))
                yield Static(table)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
