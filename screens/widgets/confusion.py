"""ConfusionMatrix: rows are what was true, columns what the model said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.text import fit, percent, plain

WIDEST_LABEL = 14
HEAD_LINES = 2


class ConfusionMatrix(ScrollView, can_focus=True):
    """Counts in shaded cells, with the recall of each row at its end.

    `labels` has n names, `matrix` n rows of n counts: `matrix[true][predicted]`.
    """

    @dataclass
    class CellSelected(Message):
        """A cell was chosen: rows of class `true` that the model took for `predicted`."""

        true: str
        predicted: str
        count: int

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "confusion--head",
        "confusion--cursor",
        "confusion--right",
        "confusion--wrong",
    }
    DEFAULT_CSS = """
    ConfusionMatrix {
        width: 1fr; height: 1fr; background: $surface; color: $foreground;
        & > .confusion--head { color: $text-muted; }
        & > .confusion--cursor { text-style: bold reverse; }
        & > .confusion--right { color: $primary; }
        & > .confusion--wrong { color: $error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1, 0)", "Up", show=False),
        Binding("down,j", "move(1, 0)", "Down", show=False),
        Binding("left,h", "move(0, -1)", "Left", show=False),
        Binding("right,l", "move(0, 1)", "Right", show=False),
        Binding("enter", "choose", "Mistakes", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._labels: list[str] = []
        self._matrix: list[list[int]] = []
        self._cursor = (0, 0)
        self._label_width = self._cell_width = 0

    def show(self, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Show another matrix."""
        self._labels = [plain(str(label)) for label in labels]
        self._matrix = [[int(count) for count in row] for row in matrix]
        self._cursor = (0, 0)
        widest = max((len(str(c)) for row in self._matrix for c in row), default=1)
        self._label_width = min(max((len(each) for each in self._labels), default=1), WIDEST_LABEL)
        self._cell_width = max(widest, min(self._label_width, 5)) + 1
        width = self._label_width + 1 + self._cell_width * len(self._labels) + 9
        self.virtual_size = Size(width, len(self._labels) + HEAD_LINES)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        line = y + self.scroll_offset.y
        base = self.rich_style
        if not self._labels or line >= len(self._labels) + HEAD_LINES:
            return Strip.blank(self.size.width, base)
        head = base + self.get_component_rich_style("confusion--head", partial=True)
        gap = self._label_width + 1
        if line == 0:
            segments = [Segment(" " * gap + "predicted →", head)]
        elif line == 1:
            names = [" " + fit(label, self._cell_width - 1, right=True) for label in self._labels]
            segments = [Segment(fit("true ↓", gap) + "".join(names) + "   recall", head)]
        else:
            segments = self._row(line - HEAD_LINES, base, head)
        strip = Strip(segments).extend_cell_length(self.virtual_size.width, base)
        left = self.scroll_offset.x
        return strip.crop_extend(left, left + self.size.width, base)

    def _row(self, true: int, base: Style, head: Style) -> list[Segment]:
        counts = self._matrix[true]
        whole = sum(counts)
        segments = [Segment(fit(self._labels[true], self._label_width) + " ", head)]
        for predicted, count in enumerate(counts):
            style = base + self._shade(count / whole if whole else 0.0, true == predicted)
            if (true, predicted) == self._cursor and self.has_focus:
                style += self.get_component_rich_style("confusion--cursor", partial=True)
            said = str(count) if count else "·"
            segments.append(Segment(fit(said, self._cell_width, right=True), style))
        recall = percent(counts[true] / whole if whole else None)
        segments.append(Segment(f"  {recall:>7}", base))
        return segments

    def _shade(self, share: float, right: bool) -> Style:
        """A ground between the widget's own and the colour of right or wrong."""
        if not share:
            return self.get_component_rich_style("confusion--head", partial=True)
        name = "confusion--right" if right else "confusion--wrong"
        ink = self.get_component_styles(name).color
        ground = self.background_colors[1]
        mixed: Color = ground.blend(ink, 0.15 + 0.45 * share)
        return Style(bgcolor=mixed.rich_color)

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor, stopping at the edges."""
        last = len(self._labels) - 1
        row, column = self._cursor
        self._cursor = (min(max(row + down, 0), last), min(max(column + right, 0), last))
        x = self._label_width + 1 + self._cell_width * self._cursor[1]
        region = Region(x, self._cursor[0] + HEAD_LINES, self._cell_width, 1)
        self.scroll_to_region(region, animate=False)
        self.refresh()

    def action_choose(self) -> None:
        """Post the cell under the cursor."""
        if not self._labels:
            return
        true, predicted = self._cursor
        self.post_message(
            self.CellSelected(
                self._labels[true], self._labels[predicted], self._matrix[true][predicted]
            )
        )

    def on_click(self, event: events.Click) -> None:
        at = Offset(event.x, event.y) + self.scroll_offset
        row = at.y - HEAD_LINES
        column = (at.x - self._label_width - 1) // max(self._cell_width, 1)
        if 0 <= row < len(self._labels) and 0 <= column < len(self._labels):
            self._cursor = (row, column)
            self.refresh()
            self.action_choose()
