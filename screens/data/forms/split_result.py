"""The window in which a split is made, and which tells what leaks from one part into another."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.quality.finding import Finding
from core.data.quality.leakage import check_leakage
from core.data.splitting.split import keep
from core.errors import Cancelled, LeptonError
from screens.data.check.finding_words import finding_line
from screens.data.forms.splitting import (
    Planner,
    SplitRequest,
    counts_line,
    not_placed_line,
    numbers_folds,
)
from screens.fetching import Fetch, while_open
from screens.text import plain


@dataclass(frozen=True)
class SplitMade:
    """The version that has the split, and whether what leaks is to be looked at closer."""

    version: Version
    closer: bool = False


class SplitResult(ModalScreen[SplitMade | None]):
    """Splits, then looks for leakage; escape stops either. Answers with None where nothing came."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "close", "Close"),
        Binding("c", "closer", "Check"),
    ]
    DEFAULT_CSS = """
    SplitResult { align: center middle; }
    SplitResult > VerticalScroll {
        width: 78; max-width: 100%; height: auto; max-height: 95%;
        border: round $primary; background: $surface; padding: 0 1; scrollbar-size-vertical: 1;
    }
    SplitResult Static { height: auto; }
    """

    def __init__(
        self, lake: Lake, request: SplitRequest, planner: Planner, fetch: Fetch[Any]
    ) -> None:
        super().__init__()
        self._lake = lake
        self._request = request
        self._planner = planner
        self._fetch = while_open(self, fetch)
        self._stop = threading.Event()
        self._made: Version | None = None
        self._failure: LeptonError | None = None
        self._leaks: list[Finding] = []

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = f"Split {self._request.ref}"
            yield Static(Text("splitting…", "dim"))

    def on_mount(self) -> None:
        self._keys("esc stops")

        def work() -> Version:
            plan = self._planner.plan(self._request)
            if self._stop.is_set():
                raise Cancelled("the split was stopped")
            return keep(self._lake, plan)

        self._fetch(work, self._look, group="split", failed=self._failed)

    def on_unmount(self) -> None:
        self._stop.set()

    def _look(self, made: Version) -> None:
        self._made = made
        if self._stop.is_set():
            self.action_close()
            return
        if numbers_folds(made.params):
            self._tell(Text())
            return
        self._tell(Text("looking for rows that leak from one part into another…", "dim"))
        self._keys("esc leaves them unlooked for")

        def done(leaks: list[Finding]) -> None:
            self._leaks = leaks
            self._tell(leaks_told(leaks))
            self._keys("c checks closer · esc closes" if leaks else "esc closes")

        self._fetch(
            lambda: check_leakage(self._lake, made, self._stop.is_set),
            done,
            group="leaks",
            failed=self._failed,
        )

    def _failed(self, error: LeptonError) -> None:
        self._failure = error
        if isinstance(error, Cancelled):
            self.action_close()
            return
        self._keys("esc closes")
        told = "\n  ".join(plain(each) for each in (str(error), error.hint) if each)
        said = Text(f"✗ {told}", "red")
        if self._made is None:
            self.query_one(Static).update(said)
        else:
            self._tell(said)

    def _tell(self, leaks: RenderableType) -> None:
        made = self._made
        if made is not None:
            head = Text.assemble(("✓ ", "green"), (made.ref, "bold"))
            counts = counts_line(made.params["rows"], folds=numbers_folds(made.params))
            counts.append_text(not_placed_line(made.params))
            self.query_one(Static).update(Group(head, counts, leaks))

    def _keys(self, words: str) -> None:
        self.query_one(VerticalScroll).border_subtitle = words

    def action_close(self) -> None:
        """Close, or stop what has not come to anything yet and close then."""
        self._stop.set()
        if self._made is not None:
            self.dismiss(SplitMade(self._made))
        elif self._failure is not None:
            self.dismiss(None)
        else:
            self._keys("stopping…")

    def action_closer(self) -> None:
        if self._made is not None and self._leaks:
            self.dismiss(SplitMade(self._made, closer=True))


def leaks_told(leaks: list[Finding]) -> RenderableType:
    """What was found; that nothing was is worth a line too."""
    if not leaks:
        return Text("✓ No row is equal or nearly equal to one of another part.", "green")
    told: list[RenderableType] = [Text(), *(finding_line(leak) for leak in leaks)]
    return Group(*told, *(Text(plain(hint), "dim") for hint in {leak.hint for leak in leaks}))
