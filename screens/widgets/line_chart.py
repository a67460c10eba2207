"""LineChart: the curves of a run, quick at a million points, read by arrow keys or mouse."""

from __future__ import annotations

import zlib
from time import monotonic
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.strip import Strip

from screens import text
from screens.refresh import refresh_interval
from screens.widgets import consoles
from screens.widgets.braille import Floats
from screens.widgets.chart_reading import ReadByKeys
from screens.widgets.plot import LEAST_SPAN, MARKS, Grid, Line, Part, Role, draw, message
from screens.widgets.series import Series

# Told apart with the common kinds of colour blindness (after Okabe and Ito). They are no component
# classes: a screen of eight charts would have fifty more styles to find whenever it comes back.
_ON_LIGHT = ("#0072b2", "#b34700", "#00795a", "#9b3f77", "#6b5d00", "#5b4bb5")
_ON_DARK = ("#56b4e9", "#f0a030", "#3ddba0", "#e58fc0", "#f0e442", "#b3a5ff")
_PREFERRED = {"train": 0, "val": 1, "validation": 1, "test": 2}


class LineChart(ReadByKeys, can_focus=True):
    """Series of numbers over steps or epochs, in braille.

    Data may come as often as it likes: a redraw for it happens at most every `refresh_interval()`.
    Each series has its own mark and colour, the same in every chart (`train`, `val` and `test` are
    fixed); a value that is not finite is a gap. The arrow keys and the mouse move a crosshair,
    which turns the legend from the last values to those at the crosshair; + and - zoom around it.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line-chart--title",
        "line-chart--label",
        "line-chart--axis",
        "line-chart--crosshair",
        "line-chart--raw",
        "line-chart--empty",
    }
    DEFAULT_CSS = """
    LineChart {
        width: 1fr; height: 1fr; min-height: 3; padding: 0 1;
        background: $surface; color: $foreground;
        &:focus { background-tint: $foreground 4%; }
        & > .line-chart--title { text-style: bold; }
        & > .line-chart--label { color: $text-muted; }
        & > .line-chart--axis { color: $foreground 35%; }
        & > .line-chart--crosshair { color: $text-accent; background: $foreground 12%; }
        & > .line-chart--raw { color: $foreground 25%; }
        & > .line-chart--empty { color: $text-muted; text-style: italic; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "toggle_log", "Log axis", show=False),
        Binding("m", "toggle_smooth", "Smooth", show=False),
    ]
    BINDING_GROUP_TITLE = "Chart"

    log_y: reactive[bool] = reactive(False)
    smoothed: reactive[bool] = reactive(False)

    def __init__(
        self,
        title: str = "",
        *,
        x_label: str = "step",
        empty: str = "waiting for the first step…",
        log_y: bool = False,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.title = title
        self.x_label = x_label
        self.empty = empty
        self.set_reactive(LineChart.log_y, log_y)
        self._series: dict[str, Series] = {}
        self._grid: Grid | None = None
        self._strips: list[Strip] = []
        self._styles: dict[tuple[Role, bool], Style] = {}
        self._stale = True
        self._drawn_at = 0.0
        self._redraw_waits = False

    # Data

    def set_series(
        self,
        name: str,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        between: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    ) -> None:
        """Replace the points of a series; a new name makes a new one. x is sorted if it is not.

        Where a point stands for many, they lie `between` a lowest and a highest value.
        """
        series = self._named(name)
        series.curve.set(x, y, between)
        self._data_changed(series)

    def append(self, name: str, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Add a point, or arrays of points, to the end of a series; a new name makes a new one.

        A point that goes back in x drops what came after it: a resumed run repeats those steps.
        """
        series = self._named(name)
        series.curve.append(x, y)
        self._data_changed(series)

    def drop(self, name: str) -> None:
        """Forget a series."""
        if self._series.pop(name, None) is not None:
            self._redraw()

    def clear(self) -> None:
        """Forget every series."""
        self._series.clear()
        self.crosshair = self.window = None
        self._redraw()

    @property
    def names(self) -> list[str]:
        """The series, in the order of the legend."""
        return list(self._series)

    @property
    def readings(self) -> dict[str, float | None]:
        """The value of each series as the legend shows it: at the crosshair, else the last."""
        return {line.name: line.value for line in self._lines()}

    def _named(self, name: str) -> Series:
        if name not in self._series:
            first = next((part for part in name.split("/") if part in _PREFERRED), None)
            hashed = zlib.crc32(name.encode("utf-8", "replace"))
            slot = (_PREFERRED[first] if first else hashed) % len(MARKS)
            taken = {series.slot for series in self._series.values()}
            if len(taken) < len(MARKS):
                while slot in taken:
                    slot = (slot + 1) % len(MARKS)
            self._series[name] = Series(name, slot)
        return self._series[name]

    def _data_changed(self, series: Series) -> None:
        series.changed()
        wait = self._drawn_at + refresh_interval() - monotonic()
        if wait <= 0 or not self.is_attached:
            self._redraw()
        elif not self._redraw_waits:
            self._redraw_waits = True
            self.set_timer(wait, self._waited)

    def _waited(self) -> None:
        self._redraw_waits = False
        self._redraw()

    def _redraw(self) -> None:
        self._stale = True
        self.refresh()

    # Drawing

    def _lines(self) -> list[Line]:
        lines = []
        for series in self._series.values():
            y = series.shown(smoothed=self.smoothed)
            at = len(y) - 1 if self.crosshair is None else series.nearest(self.crosshair)
            value = float(y[at]) if at is not None and len(y) else None
            band = (series.curve.low, series.curve.high)
            if self.log_y:
                y, band = _exponents(y), (_exponents(band[0]), _exponents(band[1]))
            lines.append(
                Line(
                    series.name,
                    series.slot,
                    series.curve.x,
                    y,
                    band if self.smoothed or series.curve.bundled else None,
                    self.smoothed,
                    value,
                )
            )
        return lines

    def _headline(self) -> str:
        notes = [self.title] if self.title else []
        if self.crosshair is not None:
            notes.append(f"{self.x_label} {_x_text(self.crosshair)}")
        if self.log_y:
            notes.append("log")
        if self.smoothed:
            notes.append("smoothed")
        if self.window is not None:
            notes.append("zoomed")
        return " · ".join(notes)

    def _draw(self) -> None:
        self._stale = False
        self._drawn_at = monotonic()
        width, height = self.size
        lines = self._lines()
        self._grid = draw(
            lines,
            width,
            height,
            title=self.title,
            headline=self._headline(),
            log=self.log_y,
            span=self._span(),
            crosshair=self.crosshair,
            without_braille=consoles.without_braille(),
        )
        if self._grid is None:
            style = self.get_component_rich_style("line-chart--empty")
            self._strips = [
                Strip([Segment(line, style)], width)
                for line in message(self._why_empty(lines), width, height)
            ]
            return
        marked = -1 if self.crosshair is None else self._grid.column(self.crosshair)
        self._strips = [self._strip(y, marked) for y in range(height)]

    def _why_empty(self, lines: list[Line]) -> str:
        if self.size.width < 8 or self.size.height < 3:
            return ""
        if any(line.value is not None for line in lines) and self.log_y:
            return "nothing above zero to show on a log axis (l: linear)"
        return self.empty if not any(len(line.x) for line in lines) else "no finite value yet"

    def _strip(self, y: int, marked: int) -> Strip:
        assert self._grid is not None
        left, top, _, rows = self._grid.plot
        cross = left + marked if marked >= 0 and top <= y < top + rows else -1
        segments: list[Segment] = []
        run: list[str] = []
        before: Style | None = None
        characters, roles = self._grid.characters[y], self._grid.roles[y]
        for x, (character, role) in enumerate(zip(characters, roles, strict=True)):
            key = (role, x == cross)
            if (style := self._styles.get(key)) is None:
                style = self._styles[key] = self._style(role, marked=x == cross)
            if style is not before and run:
                segments.append(Segment("".join(run), before))
                run = []
            before = style
            run.append(character)
        segments.append(Segment("".join(run), before))
        return Strip(segments, self._grid.width)

    def _style(self, role: Role, *, marked: bool) -> Style:
        part, slot = role
        if part is Part.EMPTY:
            style = self.rich_style
        elif part is Part.CURVE:
            colours = _ON_DARK if self.app.current_theme.dark else _ON_LIGHT
            style = self.rich_style + Style(color=colours[slot])
        else:
            style = self.get_component_rich_style(f"line-chart--{part.value}")
        if not marked:
            return style
        ground = self.get_component_rich_style("line-chart--crosshair").bgcolor
        return style + Style(bgcolor=ground)

    def render_line(self, y: int) -> Strip:
        if self._stale or len(self._strips) != self.size.height:
            self._draw()
        if y >= len(self._strips):
            return Strip.blank(self.size.width, self.rich_style)
        return self._strips[y]

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()
        self._stale = True

    def on_resize(self) -> None:
        self._redraw()

    def watch_log_y(self) -> None:
        self._redraw()

    def watch_smoothed(self) -> None:
        self._redraw()

    # Keys

    def action_toggle_log(self) -> None:
        """Show y on a log axis, or a linear one."""
        self.log_y = not self.log_y

    def action_toggle_smooth(self) -> None:
        """Show the moving average with the raw curve behind it, or the raw curve alone."""
        self.smoothed = not self.smoothed


def _exponents(y: Floats) -> Floats:
    # What is next to nothing has no round number beside it on the axis.
    exponents: Floats = np.log10(y, out=np.full(len(y), np.nan), where=y > LEAST_SPAN)
    return exponents


def _x_text(x: float) -> str:
    return text.human_count(int(x)) if x.is_integer() else f"{x:.6g}"
