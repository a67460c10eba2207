"""TabLine: the titles of tabs in one line, drawn by one widget.

Textual's tabs tell of a change by messages; when keys come quickly, a late one goes back to an
earlier tab for a moment, and what was about to be typed into loses the keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.reactive import reactive

from screens.widgets.action_line import ActionLine, Piece


class TabLine(ActionLine):
    """Tabs by name, with their titles; a click runs the screen's action `open_tab(name)`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tab-line--active"}
    DEFAULT_CSS = """
    TabLine {
        color: $text-muted;
        & > .tab-line--active { background: $primary 30%; color: $foreground; text-style: bold; }
    }
    """

    active: reactive[str] = reactive("")

    def __init__(self, titles: Mapping[str, str], *, active: str) -> None:
        super().__init__()
        self._titles = titles
        self.set_reactive(TabLine.active, active)

    def left(self) -> Sequence[Piece]:
        return [
            Piece(
                ((f" {title} ", "tab-line--active" if name == self.active else ""),),
                f"screen.open_tab('{name}')",
            )
            for name, title in self._titles.items()
        ]

    def offer(self, titles: Mapping[str, str]) -> None:
        """Have other tabs. The active one stays where it is among them; else it is the first."""
        if titles != self._titles:
            self._titles = titles
            if self.active not in titles:
                self.active = next(iter(titles))
            self.refresh()

    def beside(self, step: int) -> str:
        """The name of the tab that many steps from the active one, round the ends."""
        names = list(self._titles)
        return names[(names.index(self.active) + step) % len(names)]
