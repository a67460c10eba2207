"""ActionLine: a line of words that act when they are clicked, drawn by one widget.

A widget for each word would be styled and laid out each time a screen comes to the front, which a
person waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget


@dataclass(frozen=True)
class Piece:
    """Words that belong together: texts, each with a component class of the line, or "".

    `action` is run by a click on any of them.
    """

    parts: tuple[tuple[str, str], ...]
    action: str = ""
    tooltip: str = ""

    @property
    def width(self) -> int:
        return sum(cell_len(text) for text, _ in self.parts)


class ActionLine(Widget):
    """Pieces from the left, and at the right edge some that never give way to them."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"action-line--pointed"}
    DEFAULT_CSS = """
    ActionLine {
        height: 1;
        & > .action-line--pointed { background: $foreground 15%; }
    }
    """

    pointed: reactive[Piece | None] = reactive(None)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._placed: list[tuple[int, Piece]] = []

    def left(self) -> Sequence[Piece]:
        """What stands from the left; those that do not fit are left out."""
        raise NotImplementedError

    def right(self) -> Sequence[Piece]:
        """What stands at the right edge."""
        return ()

    def piece_at(self, x: int) -> Piece | None:
        """What was drawn at a column of this widget."""
        return next((p for start, p in self._placed if start <= x < start + p.width), None)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        self._placed = placed = []
        right = list(self.right())
        edge = width - sum(piece.width for piece in right)
        x = 0
        for piece in self.left():
            if x + piece.width > edge:
                break
            placed.append((x, piece))
            x += piece.width
        segments = self._segments([piece for _, piece in placed])
        segments.append(Segment(" " * (edge - x), self.rich_style))
        for piece in right:
            placed.append((edge, piece))
            edge += piece.width
        return Strip(segments + self._segments(right)).adjust_cell_length(width, self.rich_style)

    def _segments(self, pieces: Sequence[Piece]) -> list[Segment]:
        segments = []
        for piece in pieces:
            lit = piece.action and piece == self.pointed
            for text, name in piece.parts:
                style = self.get_component_rich_style(name) if name else self.rich_style
                if lit:
                    style += self.get_component_rich_style("action-line--pointed").background_style
                segments.append(Segment(text, style))
        return segments

    def watch_pointed(self, piece: Piece | None) -> None:
        self.tooltip = piece.tooltip if piece and piece.tooltip else None
        self.styles.pointer = "pointer" if piece and piece.action else "default"

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self.pointed = self.piece_at(event.x)

    def on_leave(self) -> None:
        self.pointed = None

    async def on_click(self, event: events.Click) -> None:
        piece = self.piece_at(event.x)
        if piece and piece.action:
            event.stop()
            await self.run_action(piece.action)
