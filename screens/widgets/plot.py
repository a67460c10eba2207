"""A chart as a grid of characters, each with the part it plays; who draws it gives the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len, get_character_cell_size

from screens import text
from screens.widgets import axes, consoles
from screens.widgets.braille import DOTS_DOWN, Band, Cells, Floats, Span, curve

MARKS = "●○▲△■□"
LEAST_FOR_AXES = 7
LEAST_COLUMNS = 8  # fewer than these, and the numbers beside them give way
LEAST_SPAN = 1e-290  # a smaller one cannot be divided into rows


class Part(Enum):
    """What a character of the grid is; `CURVE` and `RAW` come with the place of a series."""

    EMPTY = "empty"
    TITLE = "title"
    AXIS = "axis"
    LABEL = "label"
    CROSSHAIR = "crosshair"
    CURVE = "curve"
    RAW = "raw"


Role = tuple[Part, int]


@dataclass(frozen=True)
class Line:
    """One series: x [n] ascends, y [n] is finite or NaN.

    `band` are the lowest and highest values that the points stand for. Where y is an average of
    them (`smoothed`) the band is drawn faintly behind, else in its place.
    """

    name: str
    slot: int
    x: Floats
    y: Floats
    band: Band | None = None
    smoothed: bool = False
    value: float | None = None

    def within(self, span: Span) -> Line:
        """The points in a span of x and those next to it, so that the curve runs to the edges."""
        first = max(int(np.searchsorted(self.x, span[0], side="left")) - 1, 0)
        end = int(np.searchsorted(self.x, span[1], side="right")) + 1
        if first == 0 and end >= len(self.x):
            return self
        part = slice(first, end)
        band = self.band and (self.band[0][part], self.band[1][part])
        return replace(self, x=self.x[part], y=self.y[part], band=band)

    def heights(self, span: Span) -> list[Floats]:
        """All values that are to be seen in a span; those beside it where none lies within."""
        inside = (self.x >= span[0]) & (self.x <= span[1])
        drawn = [*(self.band or ()), *([self.y] if self.smoothed or self.band is None else [])]
        return [y[inside] if inside.any() else y for y in drawn]

    def legend(self, *, title: str = "", brief: bool = False) -> str:
        """Mark, name and value; `brief` leaves out the last part of a name such as train/loss, and
        what is named as its chart needs no name."""
        name = self.name.rpartition("/")[0] if brief else self.name
        words = [MARKS[self.slot % len(MARKS)], text.plain(name or self.name)]
        return " ".join([*words[: 1 if self.name == title else 2], text.human_number(self.value)])


@dataclass
class Grid:
    """Characters by row and column, and their roles.

    `plot` is the inner area (left, top, width, height), `span` what it shows of x.
    """

    width: int
    height: int
    characters: list[list[str]] = field(init=False)
    roles: list[list[Role]] = field(init=False)
    plot: tuple[int, int, int, int] = (0, 0, 0, 0)
    span: Span = (0.0, 1.0)

    def __post_init__(self) -> None:
        self.characters = [[" "] * self.width for _ in range(self.height)]
        self.roles = [[(Part.EMPTY, 0)] * self.width for _ in range(self.height)]

    def write(self, x: int, y: int, words: str, role: Role) -> int:
        """Put text into a row, cut at its end; the column after it.

        A wide character takes two places, of which the second is empty, so that a row stays as
        wide as it is; a mark that combines joins the character before it.
        """
        row = self.characters[y]
        for character in words:
            width = get_character_cell_size(character)
            if x + max(width, 1) > self.width:
                break
            if not width:
                if x > 0 and row[x - 1]:
                    row[x - 1] += character
                continue
            for place in range(x, x + width):
                self._clear(row, place)
                self.roles[y][place] = role
            row[x] = character
            if width == 2:
                row[x + 1] = ""
            x += width
        return x

    def _clear(self, row: list[str], place: int) -> None:
        """Blank a place, and the other half of a wide character there."""
        if not row[place]:
            row[place - 1] = " "
        elif place + 1 < self.width and not row[place + 1]:
            row[place + 1] = " "
        row[place] = " "

    def column(self, x: float) -> int:
        """The column of the inner area, from 0, that shows a value of x."""
        low, high = self.span
        width = self.plot[2]
        return min(max(int((x - low) / (high - low) * width), 0), width - 1)

    def edge(self, column: int) -> float:
        """The value of x at the left edge of a column of the inner area."""
        low, high = self.span
        return low + (high - low) * column / self.plot[2]


def bounds(values: Sequence[Floats], *, log: bool = False) -> Span | None:
    """The least and greatest of all values, moved apart where they are one; None without any.

    With `log` the values are exponents of ten.
    """
    known = [y for y in values if len(y) and not np.isnan(y).all()]
    if not known:
        return None
    low = min(float(np.fmin.reduce(y)) for y in known)
    high = max(float(np.fmax.reduce(y)) for y in known)
    if high - low > max(1e-12 * max(abs(low), abs(high)), LEAST_SPAN):
        return low, high
    apart = 0.5 if log else max(abs(low) * 0.1, LEAST_SPAN) if low else 1.0
    return low - apart, high + apart


def x_span(lines: Sequence[Line]) -> Span:
    """From the first to the last x of all series, never empty."""
    xs = [line.x for line in lines if len(line.x)]
    low, high = min(float(x[0]) for x in xs), max(float(x[-1]) for x in xs)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def draw(
    lines: Sequence[Line],
    width: int,
    height: int,
    *,
    title: str,
    headline: str = "",
    log: bool = False,
    span: Span | None = None,
    crosshair: float | None = None,
    without_braille: bool = False,
) -> Grid | None:
    """The chart in `width` x `height` cells, or None where there is nothing to draw or no room.

    Later series cover earlier ones. With `log`, y holds exponents of ten. `span` is the part of x
    to show, all of it where it is None. `crosshair` is the value of x whose column is marked.
    `headline` is the title with what there is to say of the moment.
    """
    drawn = [line for line in lines if len(line.x)]
    if not drawn or width < 8 or height < 3:
        return None
    span = span or x_span(drawn)
    drawn = [line.within(span) for line in drawn]
    limits = bounds([y for line in drawn for y in line.heights(span)], log=log)
    if limits is None:
        return None
    grid = Grid(width, height, span=span)
    top = _head(grid, lines, headline or title, title)
    axis_rows = 2 if height - top >= LEAST_FOR_AXES - 2 else 0
    rows = height - top - axis_rows
    y_ticks, y_labels = _y_ticks(limits, rows, log=log) if axis_rows else ([], [])
    gutter = max(map(len, y_labels), default=0) + 1 if axis_rows else 0
    if width - gutter < LEAST_COLUMNS:
        y_ticks, y_labels, gutter = [], [], min(gutter, 1)
    columns = width - gutter
    grid.plot = (gutter, top, columns, rows)
    if axis_rows:
        _y_axis(grid, limits, y_ticks, y_labels)
        _x_axis(grid, whole=all(_whole(line.x) for line in drawn))
    for line in drawn:
        if line.band is not None:
            part = Part.RAW if line.smoothed else Part.CURVE
            _curve(grid, line.x, line.band, limits, (part, line.slot))
        if line.band is None or line.smoothed:
            _curve(grid, line.x, line.y, limits, (Part.CURVE, line.slot))
    for line in drawn:
        _mark_end(grid, line, limits)
    if crosshair is not None and span[0] <= crosshair <= span[1]:
        _crosshair(grid, grid.column(crosshair))
    if without_braille:
        grid.characters = [consoles.in_ascii(row) for row in grid.characters]
    return grid


def _head(grid: Grid, lines: Sequence[Line], headline: str, name: str) -> int:
    """Title and legend, in one line where they fit; the rows they take."""
    title = text.clip(text.plain(headline), grid.width)
    # Names that end alike (train/loss, val/loss) are told apart by what comes before.
    brief = len({line.name.rpartition("/")[2] for line in lines}) == 1 and (
        sum(cell_len(line.legend()) + 2 for line in lines) > grid.width + 2
    )
    legends = [(line.slot, line.legend(title=name, brief=brief)) for line in lines]
    width = sum(cell_len(words) + 2 for _, words in legends) - 2
    grid.write(0, 0, title, (Part.TITLE, 0))
    if cell_len(title) + 2 + width <= grid.width:
        _legend(grid, grid.width - width, 0, legends)
        return 1
    if grid.height < LEAST_FOR_AXES:
        return 1
    first = 1 if title else 0
    rows = _in_rows(legends, grid.width)
    shown = rows[: max(1, (grid.height - LEAST_FOR_AXES) // 3)]
    for y, row in enumerate(shown, first):
        x = _legend(grid, 0, y, row)
    if len(shown) < len(rows) or x > grid.width:
        grid.write(grid.width - 1, first + len(shown) - 1, text.ELLIPSIS, (Part.LABEL, 0))
    return first + len(shown)


def _legend(grid: Grid, x: int, y: int, legends: Sequence[tuple[int, str]]) -> int:
    """Marks in their colours, each with its words; the column after the last, if all had room."""
    for slot, words in legends:
        end = grid.write(x, y, words[0], (Part.CURVE, slot))
        grid.write(end, y, words[1:] + "  ", (Part.LABEL, 0))
        x += cell_len(words) + 2
    return x - 2


def _in_rows(legends: Sequence[tuple[int, str]], width: int) -> list[list[tuple[int, str]]]:
    """Legends in as many rows as they need."""
    rows: list[list[tuple[int, str]]] = []
    used = width
    for slot, words in legends:
        if used + 2 + cell_len(words) > width:
            rows.append([])
            used = -2
        rows[-1].append((slot, words))
        used += 2 + cell_len(words)
    return rows


def _y_ticks(limits: Span, rows: int, *, log: bool) -> tuple[list[float], list[str]]:
    most = max(2, (rows + 1) // 3)
    if not log:
        values = axes.ticks(*limits, most)
        return values, axes.labels(values)
    values = axes.decades(*limits, most)
    return values, axes.log_labels(values)


def _row(grid: Grid, value: float, limits: Span) -> int:
    low, high = limits
    dots = grid.plot[3] * DOTS_DOWN
    # In the same order as the curve's dots, so that a half is rounded alike.
    dot = round((high - value) * ((dots - 1) / (high - low)))
    return min(max(dot, 0), dots - 1) // DOTS_DOWN


def _y_axis(grid: Grid, limits: Span, values: list[float], names: list[str]) -> None:
    left, top, _, rows = grid.plot
    for y in range(rows):
        grid.write(left - 1, top + y, "│", (Part.AXIS, 0))
    for value, name in zip(values, names, strict=True):
        y = top + _row(grid, value, limits)
        grid.write(left - 1 - len(name), y, name, (Part.LABEL, 0))
        grid.write(left - 1, y, "┤", (Part.AXIS, 0))


def _whole(x: Floats) -> bool:
    return float(x[0]).is_integer() and float(x[-1]).is_integer()


def _x_axis(grid: Grid, *, whole: bool) -> None:
    left, top, columns, rows = grid.plot
    grid.write(left - 1, top + rows, "└" + "─" * columns, (Part.AXIS, 0))
    marks = axes.ticks(*grid.span, max(2, columns // 12))
    if whole:
        marks = [value for value in marks if value.is_integer()]
    free = 0
    for value, name in zip(marks, axes.labels(marks), strict=True):
        x = left + grid.column(value)
        grid.write(x, top + rows, "┬", (Part.AXIS, 0))
        start = max(min(x - len(name) // 2, grid.width - len(name)), 0)
        if start >= free:
            free = grid.write(start, top + rows + 1, name, (Part.LABEL, 0)) + 1


def _curve(grid: Grid, x: Floats, y: Floats | Band, limits: Span, role: Role) -> None:
    left, top, columns, rows = grid.plot
    patterns: Cells = curve(x, y, span=grid.span, bounds=limits, width=columns, height=rows)
    lit: npt.NDArray[np.intp] = np.argwhere(patterns)
    for row, column in lit.tolist():
        grid.characters[top + row][left + column] = chr(0x2800 + int(patterns[row, column]))
        grid.roles[top + row][left + column] = role


def _mark_end(grid: Grid, line: Line, limits: Span) -> None:
    """The series' mark at its last value: known without colour, and a lone point is seen."""
    end = int(np.searchsorted(line.x, grid.span[1], side="right"))
    first = max(end - 1000, 0)
    known = np.flatnonzero(~np.isnan(line.y[first:end]))
    if not len(known):
        return
    last = first + int(known[-1])
    if float(line.x[last]) < grid.span[0]:
        return
    x = grid.plot[0] + grid.column(float(line.x[last]))
    y = grid.plot[1] + _row(grid, float(line.y[last]), limits)
    grid.write(x, y, MARKS[line.slot % len(MARKS)], (Part.CURVE, line.slot))


def _crosshair(grid: Grid, column: int) -> None:
    left, top, _, rows = grid.plot
    for y in range(top, top + rows):
        if grid.characters[y][left + column] == " ":
            grid.write(left + column, y, "│", (Part.CROSSHAIR, 0))


def message(words: str, width: int, height: int) -> list[str]:
    """Lines with some words in the middle: what stands where a chart will be."""
    shown = text.clip(words, width)
    blank = " " * width
    lines = [blank] * height
    if height:
        before = (width - cell_len(shown)) // 2
        lines[height // 2] = text.fit(" " * before + shown, width)
    return lines
