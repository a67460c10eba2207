"""ConfusionMatrix: rows are what was true, columns what the model said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Region, Size, Spacing
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from screens.text import clip, fit, human_count, percent, plain

TRUE = "true ↓"
WIDEST_LABEL = 14
NARROWEST_HEAD = 5
HEAD_LINES = 2
RECALL_WIDTH = 9


class ConfusionMatrix(ScrollView, can_focus=True):
    """Counts in shaded cells, with the recall of each row at its end.

    `labels` has n names, `matrix` n rows of n counts: `matrix[true][predicted]`. The names stay in
    view while the counts scroll; the first line tells the cell under the cursor in full.
    """

    @dataclass
    class CellSelected(Message):
        """A cell was chosen: rows of class `true` that the model took for `predicted`.

        The names are as they are shown, without characters that a terminal would obey.
        """

        matrix: ConfusionMatrix
        true: str
        predicted: str
        count: int

        @property
        def control(self) -> ConfusionMatrix:
            return self.matrix

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "confusion--head",
        "confusion--cursor",
        "confusion--right",
        "confusion--wrong",
    }
    DEFAULT_CSS = """
    ConfusionMatrix {
        width: 1fr; height: 1fr; background: $surface; color: $foreground;
        scrollbar-size: 1 1;
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
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("home,g", "move_end(-1)", "First cell", show=False),
        Binding("end,G", "move_end(1)", "Last cell", show=False),
        Binding("enter", "choose", "Mistakes", show=False),
    ]
    BINDING_GROUP_TITLE = "Matrix"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._labels: list[str] = []
        self._matrix: Sequence[Sequence[int]] = []
        self._whole: list[int] = []
        self._cursor = (0, 0)
        self._label_width = self._cell_width = self._widest_count = 0

    def show(self, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> None:
        """Show another matrix; with the same names the cursor stays."""
        before, self._labels = self._labels, [plain(str(label)) for label in labels]
        self._matrix = matrix
        self._whole = [sum(row) for row in matrix]
        self._widest_count = len(str(max((max(row) for row in matrix if row), default=0)))
        if before != self._labels:
            self._cursor = (0, 0)
            self.scroll_to(0, 0, animate=False, force=True)
        self._measure()

    def _measure(self) -> None:
        """Names are cut to make room, and no more than that."""
        widest = max(map(cell_len, self._labels), default=1)
        self._label_width = max(min(widest, WIDEST_LABEL), len(TRUE))
        room = self.scrollable_content_region.width - self._label_width - 1 - RECALL_WIDTH
        head = room // max(len(self._labels), 1) - 1
        head = min(widest, WIDEST_LABEL, max(head, NARROWEST_HEAD))
        self._cell_width = max(self._widest_count, head) + 1
        width = self._gutter + self._cell_width * len(self._labels) + RECALL_WIDTH
        self.virtual_size = Size(width, len(self._labels) + HEAD_LINES)
        self.refresh()

    def on_resize(self) -> None:
        self._measure()

    @property
    def _gutter(self) -> int:
        return self._label_width + 1

    # Drawing

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width = self.size.width
        line = y if y < HEAD_LINES else y + self.scroll_offset.y
        if not self._labels or line >= len(self._labels) + HEAD_LINES:
            return Strip.blank(width, base)
        head = self.get_component_rich_style("confusion--head")
        if line == 0:
            said = clip(self._said(), width) if self.has_focus else ""
            said = said or " " * self._gutter + "predicted →"
            return Strip([Segment(said, head)]).crop_extend(0, width, base)
        # Of a thousand classes only those in view are drawn.
        left = self.scroll_offset.x
        first = left // self._cell_width
        most = width // self._cell_width + 2
        if line == 1:
            start = TRUE
            moving = [
                Segment(" " + fit(label, self._cell_width - 1, right=True), head)
                for label in self._labels[first : first + most]
            ]
            end = Segment(f"{'recall':>{RECALL_WIDTH}}", head)
        else:
            true = line - HEAD_LINES
            start = self._labels[true]
            moving = self._cells(true, first, most, base)
            whole = self._whole[true]
            recall = percent(self._matrix[true][true] / whole if whole else None)
            end = Segment(f"{recall:>{RECALL_WIDTH}}", base)
        if first + most >= len(self._labels):
            moving.append(end)
        cut = left - first * self._cell_width
        room = max(width - self._gutter, 0)
        names = Strip([Segment(fit(start, self._label_width) + " ", head)])
        cells = Strip(moving).crop_extend(cut, cut + room, base)
        return Strip.join([names, cells]).crop_extend(0, width, base)

    def _said(self) -> str:
        """The cell under the cursor in words."""
        true, predicted = self._cursor
        count = human_count(self._matrix[true][predicted])
        if true == predicted:
            return f"{self._labels[true]} answered right: {count}"
        return f"{self._labels[true]} taken for {self._labels[predicted]}: {count}"

    def _cells(self, true: int, first: int, most: int, base: Style) -> list[Segment]:
        whole = self._whole[true]
        segments = []
        for predicted, count in enumerate(self._matrix[true][first : first + most], first):
            style = base + self._shade(count / whole if whole else 0.0, true == predicted)
            if (true, predicted) == self._cursor and self.has_focus:
                style += self.get_component_rich_style("confusion--cursor", partial=True)
            said = str(count) if count else "·"
            segments.append(Segment(fit(said, self._cell_width, right=True), style))
        return segments

    def _shade(self, share: float, right: bool) -> Style:
        """A ground between the widget's own and the colour of right or wrong."""
        if not share:
            return Style(color=self.get_component_rich_style("confusion--head").color)
        name = "confusion--right" if right else "confusion--wrong"
        ink = self.get_component_styles(name).color
        ground = self.background_colors[1]
        # No further, or the number on it could not be read.
        mixed: Color = ground.blend(ink, 0.1 + 0.35 * share)
        return Style(bgcolor=mixed.rich_color)

    # Cursor, keys and mouse

    def _move_to(self, row: int, column: int) -> None:
        """Put the cursor on a cell, or the nearest there is, and bring it into view."""
        last = max(len(self._labels) - 1, 0)
        row, column = min(max(row, 0), last), min(max(column, 0), last)
        self._cursor = (row, column)
        x = self._gutter + self._cell_width * column
        # In the last column the recall is brought along.
        width = self._cell_width + (RECALL_WIDTH if column == last else 0)
        self.scroll_to_region(
            Region(x, row + HEAD_LINES, width, 1),
            spacing=Spacing(top=HEAD_LINES, left=self._gutter),
            animate=False,
        )
        if isinstance(self.parent, Widget):
            # What holds the matrix may show only a part of it: the cell, with its head if it can.
            top = max(row - self.scroll_offset.y, 0)
            seen = Region(0, top, 1, HEAD_LINES + 1).translate(self.virtual_region.offset)
            self.parent.scroll_to_region(seen, animate=False)
        self.refresh()

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor, stopping at the edges."""
        self._move_to(self._cursor[0] + down, self._cursor[1] + right)

    def action_move_page(self, pages: int) -> None:
        rows = self.scrollable_content_region.height - HEAD_LINES - 1
        self.action_move(pages * max(rows, 1), 0)

    def action_move_end(self, side: int) -> None:
        """Go to the first cell of the diagonal, or to the last."""
        last = len(self._labels) - 1
        self._move_to(*((0, 0) if side < 0 else (last, last)))

    def action_choose(self) -> None:
        """Post the cell under the cursor."""
        if self._labels:
            true, predicted = self._cursor
            names = self._labels[true], self._labels[predicted]
            self.post_message(self.CellSelected(self, *names, self._matrix[true][predicted]))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.y < HEAD_LINES or offset.x < self._gutter:
            return
        row = offset.y - HEAD_LINES + self.scroll_offset.y
        column = (offset.x - self._gutter + self.scroll_offset.x) // max(self._cell_width, 1)
        if row < len(self._labels) and column < len(self._labels):
            self._move_to(row, column)
            self.action_choose()
