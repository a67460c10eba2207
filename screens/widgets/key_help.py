"""HelpScreen: every key that works where the person is, read from the bindings themselves."""

from __future__ import annotations

from itertools import zip_longest
from textwrap import wrap
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from screens.widgets.window import Window

SCREEN, EVERYWHERE, HERE = "This screen", "Everywhere", "Here"
NARROWEST_KEYS, WIDEST_KEYS, WINDOW, FRAME = 12, 24, 72, 5


# What every Textual screen has; a person looks for what this one has.
GENERAL = {
    (binding.action, binding.description)
    for binding in Screen.BINDINGS
    if isinstance(binding, Binding)
}

# What any list can do, and nobody looks for.
SCROLLING = ("scroll_", "page_left", "page_right")


def key_groups(screen: Screen[object]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The keys that do something now: of what the focus is in, the outermost first, of the screen
    and of the app."""
    groups: dict[str, dict[str, list[str]]] = {SCREEN: {}, EVERYWHERE: {}}
    focused: dict[str, dict[str, list[str]]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if not (binding.description and active.enabled) or binding.system:
            continue
        if binding.action.startswith(SCROLLING):
            continue
        if isinstance(active.node, App) or (binding.action, binding.description) in GENERAL:
            group = groups[EVERYWHERE]
        elif isinstance(active.node, Screen):
            group = groups[SCREEN]
        else:
            group = focused.setdefault(active.node.BINDING_GROUP_TITLE or HERE, {})
        said = binding.tooltip or binding.description
        group.setdefault(said, []).append(screen.app.get_key_display(binding))
    return [
        (name, [(" ".join(keys), said) for said, keys in found.items()])
        for name, found in (*reversed(focused.items()), *groups.items())
        if found
    ]


def key_table(groups: list[tuple[str, list[tuple[str, str]]]], cells: int = WINDOW - FRAME) -> Text:
    """The groups one below the other in so many cells, keys at the right of their column."""
    table = Text()
    for title, keys in groups:
        longest = max(cell_len(key) for key, _ in keys)
        width = max(NARROWEST_KEYS, min(longest, WIDEST_KEYS))
        table.append(f"{title}\n", "bold underline")
        for key, said in keys:
            lines = zip_longest(
                wrap(key, width), wrap(said, max(cells - width - 2, NARROWEST_KEYS)), fillvalue=""
            )
            for left, right in lines:
                table.append(" " * (width - cell_len(left)) + left, "bold")
                table.append(f"  {right}\n")
    table.right_crop(1)
    return table


class HelpScreen(Window[None]):
    """All keys; it scrolls where they do not fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close"),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
    ]
    DEFAULT_CSS = """
    HelpScreen > VerticalScroll { width: 72; }
    """

    def compose(self) -> ComposeResult:
        below = self.app.screen_stack[-2] if len(self.app.screen_stack) > 1 else self.app.screen
        with VerticalScroll() as box:
            box.border_title = "Keys"
            box.border_subtitle = "[@click=screen.dismiss]esc closes[/]"
            # The frame, the padding and a scrollbar take the rest.
            cells = min(WINDOW, self.app.size.width) - FRAME
            yield Static(key_table(key_groups(below), cells))

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
