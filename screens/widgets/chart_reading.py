"""What is read of a chart by keys and mouse: a crosshair, and a part of x that is zoomed to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from screens.widgets.braille import Floats, Span
from screens.widgets.plot import Grid
from screens.widgets.series import Series

Window = tuple[float, float | None]
NARROWEST = 4.0
"""The least of x that is zoomed to, in steps."""


class ReadByKeys(Widget):
    """A chart of series over x with a crosshair and a window, which `_redraw` draws.

    Where several charts show the same x, one of them leads and the others are set to follow.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "crosshair(-1)", "Crosshair left", show=False),
        Binding("right", "crosshair(1)", "Crosshair right", show=False),
        Binding("shift+left", "crosshair(-10)", "Crosshair ten to the left", show=False),
        Binding("shift+right", "crosshair(10)", "Crosshair ten to the right", show=False),
        Binding("home", "crosshair_end(-1)", "Crosshair to the first point", show=False),
        Binding("end", "crosshair_end(1)", "Crosshair to the last point", show=False),
        Binding("escape", "hide_crosshair", "Hide the crosshair", show=False),
        Binding("plus,equals_sign", "zoom(0.5)", "Zoom in", show=False),
        Binding("minus", "zoom(2)", "Zoom out", show=False),
        Binding("0", "zoom_out", "Show all", show=False),
        Binding("comma,ctrl+left", "pan(-1)", "Move to earlier steps", show=False),
        Binding("full_stop,ctrl+right", "pan(1)", "Move to later steps", show=False),
    ]

    crosshair: reactive[float | None] = reactive(None, init=False)
    window: reactive[Window | None] = reactive(None, init=False)
    """The part of x that is shown; one without an end grows with the curves. None: all of it."""
    extent: reactive[Span | None] = reactive(None, init=False)
    """What all of it is, where charts beside each other show the same x; None: what is there."""

    @dataclass
    class CrosshairMoved(Message):
        """The crosshair is at `x`, or gone (None); set `crosshair` of other charts to follow."""

        chart: ReadByKeys
        x: float | None

        @property
        def control(self) -> ReadByKeys:
            return self.chart

    @dataclass
    class Zoomed(Message):
        """Another part of x is shown; set `window` of other charts to follow."""

        chart: ReadByKeys
        window: Window | None

        @property
        def control(self) -> ReadByKeys:
            return self.chart

    _series: dict[str, Series]
    _grid: Grid | None

    def _redraw(self) -> None:
        raise NotImplementedError

    @property
    def reach(self) -> Span | None:
        """The first and the last x of all series; None without any."""
        curves = [series.curve for series in self._series.values() if len(series.curve)]
        if not curves:
            return None
        return min(float(c.x[0]) for c in curves), max(float(c.x[-1]) for c in curves)

    def _span(self) -> Span | None:
        """What is shown of x; None for all that there is."""
        reach = self.extent or self.reach
        if reach is None or self.window is None:
            return reach if reach is not None and reach[0] < reach[1] else None
        low, high = self.window
        high = reach[1] if high is None else high
        return (low, high) if low < high else None

    def watch_extent(self) -> None:
        self._redraw()

    def watch_window(self, window: Window | None) -> None:
        self._redraw()
        self.post_message(self.Zoomed(self, window))

    def watch_crosshair(self, x: float | None) -> None:
        self._redraw()
        self.post_message(self.CrosshairMoved(self, x))

    # Keys and mouse

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Without a crosshair the key belongs to whoever else waits for escape.
        return action != "hide_crosshair" or self.crosshair is not None

    def action_hide_crosshair(self) -> None:
        self.crosshair = None

    def action_crosshair_end(self, side: int) -> None:
        """Put the crosshair on the first (-1) or last (1) point that is shown."""
        ends = []
        for series in self._series.values():
            x = series.curve.x
            if self._grid is not None and self.window is not None:
                x = x[(x >= self._grid.span[0]) & (x <= self._grid.span[1])]
            if len(x):
                ends.append(float(x[0 if side < 0 else -1]))
        if ends:
            self.crosshair = min(ends) if side < 0 else max(ends)

    def action_crosshair(self, columns: int) -> None:
        """Move the crosshair to the next point that lies at least so many columns away."""
        if self.crosshair is None:
            self.action_crosshair_end(-columns)
            return
        if self._grid is None:
            return
        column = self._grid.column(self.crosshair) + columns
        found = [
            float(s.curve.x[i])
            for s in self._series.values()
            if (i := _point_from(s.curve.x, self._grid, column, forward=columns > 0)) is not None
        ]
        if found:
            self._show_crosshair(min(found) if columns > 0 else max(found))
        else:
            self.action_crosshair_end(columns)

    def _show_crosshair(self, x: float) -> None:
        """Put the crosshair somewhere, and move what is zoomed to along with it."""
        self.crosshair = x
        if self._grid is not None and self.window is not None:
            low, high = self._grid.span
            if not low <= x <= high:
                self._look_at(low + x - high, x) if x > high else self._look_at(x, high + x - low)

    def action_zoom(self, factor: float) -> None:
        """Show `factor` of the width that is shown now, around the crosshair or the middle."""
        if self._grid is None:
            return
        low, high = self._grid.span
        middle = (low + high) / 2 if self.crosshair is None else self.crosshair
        share = min(max((middle - low) / (high - low), 0.0), 1.0)
        width = max((high - low) * factor, NARROWEST)
        self._look_at(middle - share * width, middle + (1 - share) * width)

    def action_zoom_out(self) -> None:
        """Show all of x."""
        self.window = None

    def action_pan(self, direction: int) -> None:
        """Move a quarter of the width to earlier (-1) or later (1) steps."""
        if self._grid is None or self.window is None:
            return
        low, high = self._grid.span
        self._look_at(*_moved(low, high, direction * (high - low) / 4, self.extent or self.reach))

    def _look_at(self, low: float, high: float) -> None:
        """Show a part of x; what lies outside of all there is counts as its edge."""
        reach = self.extent or self.reach
        if reach is None:
            return
        low = max(low, reach[0])
        end = None if high >= reach[1] else high
        self.window = None if end is None and low <= reach[0] else (low, end)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, zoom=0.5, pan=-1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, zoom=2, pan=1)

    def _wheel(self, event: events.MouseEvent, *, zoom: float, pan: int) -> None:
        """With ctrl the wheel zooms, with shift it pans; else it is whose the charts scroll in."""
        if event.ctrl:
            self.action_zoom(zoom)
        elif event.shift:
            self.action_pan(pan)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        offset = event.get_content_offset(self)
        if offset is None or self._grid is None:
            return
        left, top, columns, rows = self._grid.plot
        if not (left <= offset.x < left + columns and top <= offset.y < top + rows):
            return
        middle = (self._grid.edge(offset.x - left) + self._grid.edge(offset.x - left + 1)) / 2
        points = [
            float(s.curve.x[i])
            for s in self._series.values()
            if (i := s.nearest(middle)) is not None
        ]
        if points:
            self.crosshair = min(points, key=lambda x: abs(x - middle))

    def on_leave(self) -> None:
        if not self.has_focus:
            self.crosshair = None


def _moved(low: float, high: float, by: float, reach: Span | None) -> Span:
    """A part of x moved, as far as it stays within all there is."""
    if reach is not None:
        by = min(max(by, reach[0] - low), reach[1] - high)
    return low + by, high + by


def _point_from(x: Floats, grid: Grid, column: int, *, forward: bool) -> int | None:
    """The first point in a column or beyond it, looking to the right or to the left."""
    if forward:
        index = int(np.searchsorted(x, grid.edge(column), side="left"))
        return index if index < len(x) else None
    index = int(np.searchsorted(x, grid.edge(column + 1), side="left")) - 1
    return index if index >= 0 else None
