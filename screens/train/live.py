"""The chosen run: where it stands, and tabs with its curves, samples, log, settings and others."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from screens.text import plain
from screens.train.charts import ChartGrid
from screens.train.follower import Snapshot
from screens.train.heading import heading, last_words
from screens.train.lines import SEARCH
from screens.train.panes import TextPane, no_samples_words, samples_words
from screens.widgets.tab_line import TabLine

CHARTS, SAMPLES, LOG, SETTINGS, COMPARE = "charts", "samples", "log", "settings", "compare"
FOUND = "found"
TABS = {
    CHARTS: "Charts",
    SAMPLES: "Samples",
    LOG: "Log",
    SETTINGS: "Settings",
    COMPARE: "Compare",
}
TABS_OF_SEARCH = {FOUND: "Search", LOG: "Log", SETTINGS: "Settings"}


class LiveView(Vertical):
    """Draws snapshots of one run, and the curves of others over them."""

    DEFAULT_CSS = """
    LiveView {
        #head { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #note { height: 1; padding: 0 1; color: $text-accent; text-wrap: nowrap;
            text-overflow: ellipsis; display: none; }
        &.-noted #note { display: block; }
        TextPane { display: none; }
        #said { height: auto; max-height: 6; padding: 0 1; scrollbar-size-vertical: 1; }
        #said > Static { height: auto; }
    }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._said: dict[str, Text] = {}
        self._seen: Snapshot | None = None
        self._words: dict[str, tuple[Callable[[], RenderableType], object]] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="note", markup=False)
        yield TabLine(TABS, active=CHARTS)
        yield ChartGrid(id="curves")
        yield TextPane(id="text")
        with VerticalScroll(id="said", can_focus=False):
            yield Static(id="words", markup=False)

    @property
    def charts(self) -> ChartGrid:
        return self.query_one(ChartGrid)

    @property
    def tab(self) -> str:
        """The open tab."""
        return self.query_one(TabLine).active

    def open_tab(self, name: str) -> None:
        """Open a tab, with what is known of it."""
        self.query_one(TabLine).active = name
        text = self.query_one(TextPane)
        self.charts.display = name == CHARTS
        text.display = name != CHARTS
        text.at_end = name == LOG
        text.show(*self._words.get(name, (str, None)))

    def offer_tabs(self, kind: str) -> None:
        """Have the tabs of a training, or of a search."""
        self.query_one(TabLine).offer(TABS_OF_SEARCH if kind == SEARCH else TABS)
        self.open_tab(self.tab)

    def next_tab(self, step: int) -> str:
        """The tab beside the open one."""
        return self.query_one(TabLine).beside(step)

    def clear(self) -> None:
        """Forget the run that was shown."""
        self._seen = None
        self._say("#head", Text())
        self._say("#words", Text())
        self.charts.clear()
        self._words.clear()
        self.query_one(TextPane).show(str, None)

    def show(self, seen: Snapshot, *, label: str = "") -> None:
        """Draw what is new in a snapshot; `label` names its curves where others lie over them."""
        self._seen = seen
        self._head()
        if seen.kind != SEARCH:
            self._draw(seen, label)
        words = last_words(seen)
        self.query_one("#said").display = bool(words)
        self._say("#words", words, wrapped=True)

    def on_resize(self) -> None:
        self._head()

    def _head(self) -> None:
        if self._seen is not None:
            self._say("#head", heading(self._seen, max(0, self.size.width - 2)))

    def _draw(self, seen: Snapshot, label: str) -> None:
        self.charts.waiting(_no_curve(seen))
        self.charts.draw(seen.curves, metric=str(seen.plan.get("metric") or ""), run=label)
        if seen.samples:
            newest = seen.samples[-1]["epoch"]
            self.show_words(SAMPLES, lambda: samples_words(seen.samples), (seen.run, newest))
        else:
            why = no_samples_words(seen)
            self.show_words(SAMPLES, lambda: Text(why, "dim italic"), (seen.run, why))

    def _say(self, where: str, words: Text, *, wrapped: bool = False) -> None:
        """Put words somewhere, if they are others than before.

        What is around them is laid out anew only where they may take another number of lines: that
        costs as much as a chart.
        """
        before = self._said.get(where, Text())
        if words != before:
            self._said[where] = words
            alike = words.plain.count("\n") == before.plain.count("\n") and bool(before)
            self.query_one(where, Static).update(words, layout=wrapped or not alike)

    def show_note(self, written: str) -> None:
        """Show what a person wrote about the run."""
        self.set_class(bool(written), "-noted")
        self.query_one("#note", Static).update(Text(f"✎ {plain(written)}"))

    def lay_over(self, seen: Snapshot, *, label: str) -> None:
        """Draw the curves of another run over those of the chosen one."""
        self.charts.draw(seen.curves, metric="", run=label)

    def show_words(self, tab: str, make: Callable[[], RenderableType], of: object) -> None:
        """What a tab of words shows; nothing happens where it is made of the same as before."""
        self._words[tab] = (make, (tab, of))
        if tab == self.tab:
            self.query_one(TextPane).show(make, (tab, of))


def _no_curve(seen: Snapshot) -> str:
    """Why there is no curve yet: what a run does before its first step can take a while."""
    if not seen.alive:
        return "no step was recorded"
    if seen.logs and seen.state == "running" and not seen.plan:
        return f"{plain(seen.logs[-1])}…"
    return "waiting for the first step…"
