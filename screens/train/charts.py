"""The charts of a run, or of several: one for each number, all over the same steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, Static

from core.runs.series import Points
from screens.widgets.chart_reading import ReadByKeys
from screens.widgets.line_chart import LineChart

LOSS = "loss"
TITLES = {
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "examples_per_second": "examples a second",
    "device_use": "use of the device, %",
    "device_memory": "memory of the device, GB",
}
LOWEST, TALL, NARROWEST = 9, 13, 36
"""Lines that a chart needs, those that it likes to have, and the columns that it needs."""


class ChartGrid(Vertical):
    """A chart for each number that a run records: loss and metrics first, then how it trains.

    The crosshair and the part of the steps that is shown are the same in all charts.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "enlarge", "Enlarge", tooltip="This chart alone, or all of them"),
    ]
    BINDING_GROUP_TITLE = "Charts"
    DEFAULT_CSS = """
    ChartGrid {
        height: 1fr;
        #filter { display: none; height: 1; border: none; padding: 0 1; background: $boost; }
        &.-filtered #filter { display: block; }
        #waiting { height: 1fr; content-align: center middle; color: $text-muted;
            text-style: italic; display: none; }
        &.-empty #waiting { display: block; }
        &.-empty #grid { display: none; }
        #grid { layout: grid; height: 1fr; grid-gutter: 0 1; scrollbar-size-vertical: 1; }
    }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._charts: dict[str, LineChart] = {}
        self._metric = ""
        self._alone: str | None = None
        self._laid_out = (0, 0)
        self._waiting = self._said = ""
        self.set_class(True, "-empty")

    def compose(self) -> ComposeResult:
        yield Input(id="filter", placeholder="names of charts, such as loss lr", compact=True)
        yield Static(id="waiting", markup=False)
        with VerticalScroll(id="grid", can_focus=False):
            yield from ()

    def on_resize(self) -> None:
        self._lay_out()

    def chart(self, key: str) -> LineChart | None:
        """The chart of a number, such as "loss" or "lr"."""
        return self._charts.get(key)

    # What is drawn

    def clear(self) -> None:
        """Forget the curves, and what was zoomed to."""
        self._alone = None
        for chart in self._charts.values():
            chart.clear()
        self._lay_out()

    def waiting(self, words: str) -> None:
        """What stands where there is no curve yet."""
        if words != self._waiting:
            self._waiting = words
            self._say_why_empty()

    def _say_why_empty(self) -> None:
        words = self._waiting
        if any(chart.names for chart in self._charts.values()):
            words = "no chart has such a name; esc shows all of them"
        if words != self._said:
            self._said = words
            self.query_one("#waiting", Static).update(words)

    def draw(self, curves: Mapping[str, Points], *, metric: str, run: str = "") -> None:
        """Draw these curves anew; `run` names whose they are, where there are several."""
        if metric:
            self._metric = metric
        for recorded, points in curves.items():
            place = _place(recorded)
            if place is None:
                continue
            key, name = place
            chart = self._charts.get(key) or self._new(key)
            # What is recorded of training itself has one curve a run: it is called as its chart.
            named = f"{run}/{name}" if run else name
            chart.set_series(
                named if "/" in name else run or chart.title,
                points.steps,
                points.mean,
                None if points.low is points.mean else (points.low, points.high),
            )
        if curves:
            self._lay_out()

    def _new(self, key: str) -> LineChart:
        chart = LineChart(TITLES.get(key, key), empty="no value yet")
        self._charts[key] = chart
        self._charts = dict(sorted(self._charts.items(), key=lambda each: self._rank(each[0])))
        after = list(self._charts)[list(self._charts).index(key) + 1 :]
        shown = [self._charts[each] for each in after if self._charts[each].is_attached]
        self.query_one("#grid").mount(chart, before=shown[0] if shown else None)
        return chart

    def _rank(self, key: str) -> tuple[int, str]:
        """Loss, the metric that counts, how it trains, other metrics, and the device."""
        order = [LOSS, self._metric, "lr", "grad_norm", "examples_per_second", None, *TITLES]
        return order.index(key if key in order else None), key

    # What is shown, and where

    def _lay_out(self) -> None:
        shown = list(self._shown())
        for key, chart in self._charts.items():
            chart.display = key in shown
        self.set_class(not shown, "-empty")
        self._say_why_empty()
        reaches = [r for key in shown if (r := self._charts[key].reach) is not None]
        if reaches:
            extent = min(low for low, _ in reaches), max(high for _, high in reaches)
            for key in shown:
                self._charts[key].extent = extent
        grid = self.query_one("#grid")
        width, height = grid.size
        if not (width and height and shown):
            return
        columns = _columns(len(shown), width, height)
        rows = -(-len(shown) // columns)
        laid_out = columns, max(min(LOWEST, height), height // rows)
        if laid_out != self._laid_out:
            self._laid_out = laid_out
            grid.styles.grid_size_columns = columns
            grid.styles.grid_rows = str(laid_out[1])

    def _shown(self) -> Iterator[str]:
        words = self.query_one("#filter", Input).value.lower().split()
        for key, chart in self._charts.items():
            named = f"{key} {chart.title}".lower()
            alone = self._alone in (None, key)
            if chart.names and alone and (not words or any(word in named for word in words)):
                yield key

    def action_enlarge(self) -> None:
        """Show the chart that has the focus alone, or all again."""
        focused = next((key for key, chart in self._charts.items() if chart.has_focus), None)
        self._alone = None if self._alone else focused or next(self._shown(), None)
        self._lay_out()
        if self._alone:
            self._charts[self._alone].focus()

    def toggle(self, switch: str) -> None:
        """Switch "log_y" of the losses, or "smoothed" of all charts, on or off."""
        charts = self._charts.values() if switch == "smoothed" else self._losses()
        on = not any(getattr(chart, switch) for chart in charts)
        for chart in charts:
            setattr(chart, switch, on)

    def _losses(self) -> list[LineChart]:
        return [chart for key, chart in self._charts.items() if LOSS in key]

    # The filter

    def ask_filter(self) -> None:
        """Let a person type which charts they want."""
        self.add_class("-filtered")
        self.query_one("#filter", Input).focus()

    def drop_filter(self) -> bool:
        """Show all charts again; whether fewer were shown."""
        if not self.has_class("-filtered") and self._alone is None:
            return False
        self._alone = None
        self.remove_class("-filtered")
        self.query_one("#filter", Input).value = ""
        self._lay_out()
        return True

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        self._lay_out()

    @on(Input.Submitted, "#filter")
    def _entered(self) -> None:
        if (first := next(self._shown(), None)) is not None:
            self._charts[first].focus()

    # One crosshair and one zoom for all

    def steer(self, action: str, amount: float = 0) -> None:
        """Zoom, pan or move the crosshair from outside: in the focused chart, and so in all."""
        shown = [self._charts[key] for key in self._shown()]
        chart = next((each for each in shown if each.has_focus), shown[0] if shown else None)
        if chart is None:
            return
        match action:
            case "zoom":
                chart.action_zoom(amount)
            case "zoom_out":
                chart.action_zoom_out()
            case "pan":
                chart.action_pan(int(amount))
            case "crosshair":
                chart.action_crosshair(int(amount))

    @on(LineChart.CrosshairMoved)
    def _crosshair_moved(self, event: LineChart.CrosshairMoved) -> None:
        event.stop()
        self._all_follow(event.chart, "crosshair", event.x)

    @on(LineChart.Zoomed)
    def _zoomed(self, event: LineChart.Zoomed) -> None:
        event.stop()
        self._all_follow(event.chart, "window", event.window)

    def _all_follow(self, leader: ReadByKeys, what: str, value: object) -> None:
        for chart in self._charts.values():
            # Those that follow do not lead in turn.
            if chart is not leader:
                with chart.prevent(LineChart.CrosshairMoved, LineChart.Zoomed):
                    setattr(chart, what, value)

    @property
    def crosshair(self) -> bool:
        """Whether there is a crosshair."""
        return any(chart.crosshair is not None for chart in self._charts.values())

    def hide_crosshair(self) -> None:
        for chart in self._charts.values():
            chart.crosshair = None


def _place(name: str) -> tuple[str, str] | None:
    """The chart and the name there of a series; None for one that another one tells better."""
    if name == LOSS:
        return LOSS, "train/loss"
    # The loss of the steps is the training loss; the epoch's mean would double it.
    return None if name == "train/loss" else (name.rpartition("/")[2], name)


def _columns(charts: int, width: int, height: int) -> int:
    """As few columns as leave each chart the height it likes, as far as the width allows."""
    most = max(1, min(width // NARROWEST, charts))
    for columns in range(1, most):
        if -(-charts // columns) * TALL <= height:
            return columns
    return most
