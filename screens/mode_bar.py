"""The top line: where you are, where you can go, and whether something is running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.reactive import reactive

from screens.navigation import MODES
from screens.widgets.action_line import ActionLine, Piece

BRAND = Piece(((" Lepton ", "mode-bar--brand"),))


class ModeBar(ActionLine):
    """All modes in one line; at the right the number of runs at work."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "mode-bar--brand",
        "mode-bar--active",
        "mode-bar--running",
    }
    DEFAULT_CSS = """
    ModeBar {
        background: $panel;
        color: $text-muted;
        & > .mode-bar--brand { color: $primary; text-style: bold; }
        & > .mode-bar--active { background: $primary; color: $background; text-style: bold; }
        & > .mode-bar--running { color: $success; }
    }
    """

    running: reactive[int] = reactive(0)

    def __init__(self, active: str) -> None:
        super().__init__()
        self._tabs = [
            Piece(
                ((f" {m.key} {m.title} ", "mode-bar--active" if m.name == active else ""),),
                f"app.visit('{m.name}')",
                m.summary,
            )
            for m in MODES
        ]

    def left(self) -> Sequence[Piece]:
        return (BRAND, *self._tabs)

    def right(self) -> Sequence[Piece]:
        return (Piece(((f"● {self.running} ", "mode-bar--running"),)),) if self.running else ()
