"""The chosen run: where it stands, and tabs with its curves, samples, log, settings and others."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static, TabbedContent, TabPane

from screens.text import plain
from screens.train.charts import ChartGrid
from screens.train.follower import Snapshot
from screens.train.heading import heading, last_words
from screens.train.panes import TextPane, samples_words

CHARTS, SAMPLES, LOG, SETTINGS, COMPARE = "charts", "samples", "log", "settings", "compare"
TABS = {
    CHARTS: "Charts",
    SAMPLES: "Samples",
    LOG: "Log",
    SETTINGS: "Settings",
    COMPARE: "Compare",
}


class LiveView(Vertical):
    """Draws snapshots of one run, and the curves of others over them."""

    DEFAULT_CSS = """
    LiveView {
        #head { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #note { height: 1; padding: 0 1; color: $text-accent; text-wrap: nowrap;
            text-overflow: ellipsis; display: none; }
        &.-noted #note { display: block; }
        TabbedContent, ContentSwitcher { height: 1fr; }
        TabPane { padding: 0; height: 1fr; }
        #said { height: auto; max-height: 6; padding: 0 1; scrollbar-size-vertical: 1; }
        #said > Static { height: auto; }
    }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._said: dict[str, Text] = {}

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="note", markup=False)
        with TabbedContent(id="tabs"):
            with TabPane(TABS[CHARTS], id=CHARTS):
                yield ChartGrid(id="curves")
            for name in (SAMPLES, LOG, SETTINGS, COMPARE):
                with TabPane(TABS[name], id=name):
                    yield TextPane(id=f"{name}-words", at_end=name == LOG)
        with VerticalScroll(id="said", can_focus=False):
            yield Static(id="words", markup=False)

    @property
    def charts(self) -> ChartGrid:
        return self.query_one(ChartGrid)

    @property
    def tab(self) -> str:
        """The open tab."""
        return self.query_one(TabbedContent).active or CHARTS

    def open_tab(self, name: str) -> None:
        self.query_one(TabbedContent).active = name

    def next_tab(self, step: int) -> None:
        names = list(TABS)
        self.open_tab(names[(names.index(self.tab) + step) % len(names)])

    def clear(self) -> None:
        """Forget the run that was shown."""
        self._say("#head", Text())
        self._say("#words", Text())
        self.charts.clear()
        for name in (SAMPLES, LOG, SETTINGS, COMPARE):
            self.show_words(name, str, None)

    def show(self, seen: Snapshot, *, label: str = "") -> None:
        """Draw what is new in a snapshot; `label` names its curves where others lie over them."""
        self._say("#head", heading(seen))
        self.charts.waiting("waiting for the first step…" if seen.alive else "no step was recorded")
        self.charts.draw(seen.curves, metric=str(seen.plan.get("metric") or ""), run=label)
        words = last_words(seen)
        self.query_one("#said").display = bool(words)
        self._say("#words", words, wrapped=True)
        newest = seen.samples[-1]["epoch"] if seen.samples else 0
        self.show_words(SAMPLES, lambda: samples_words(seen.samples), (seen.run, newest))

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
        """Fill a tab, unless it shows already what is made of the same."""
        self.query_one(f"#{tab}-words", TextPane).show(make, of)
