"""The Train screen: the runs, and the chosen one live."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import OptionList, Static

from core.errors import LeptonError
from core.runs.compare import Comparison, compare, settings
from core.runs.notes import Notes
from core.runs.state import RunState
from screens.base import T
from screens.listing import LineList
from screens.refresh import refresh_interval
from screens.train import asked
from screens.train.acts import RunActs
from screens.train.follower import Follower, Snapshot
from screens.train.lines import AT_ONCE, SEARCH, Seen, lines, look, outcome_of, short
from screens.train.live import CHARTS, COMPARE, FOUND, LOG, SETTINGS, LiveView
from screens.train.panes import comparison_words, log_words, settings_words
from screens.train.search import search_words

LIST_SECONDS = 2.0
RESUMABLE = frozenset({"stopped", "failed", "interrupted", "queued"})
MOST_MARKED = 5
NEAR_THE_END = 10

NO_DATA = """\
No runs yet, and no data set to train on.

Press 2 to go to Data and bring one in; mnist-sample is always there.\
"""
NO_RUNS = """\
No runs yet. Press n to start one.

A run goes on when you leave the app or lose the connection.\
"""


class TrainScreen(RunActs):
    """Start runs and watch them learn."""

    MODE = "train"
    TITLE = "Train"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New run", tooltip="Train a model"),
        Binding("s", "stop", "Stop", tooltip="Stop the run and save"),
        Binding("r", "resume", "Resume", tooltip="Go on from the last checkpoint"),
        Binding("e", "evaluate", "Evaluate", tooltip="Judge the model it made"),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", key_display="[", show=False),
        Binding(
            "right_square_bracket",
            "tab(1)",
            "Tab",
            key_display="]",
            tooltip="Charts, samples, log, settings, compare",
        ),
        Binding("t", "trials", "Trials", tooltip="Show the trials of the search, or fold them"),
        Binding("space", "mark", "Mark", tooltip="Lay its curves over, and compare it"),
        Binding("slash", "filter", "Filter", tooltip="Only charts whose name has a word"),
        Binding("c", "clone", "Clone", tooltip="A new run with these settings, to be changed"),
        Binding("o", "note", "Note", tooltip="Write a note and #tags on the run"),
        Binding("g", "set_rate", "Rate", tooltip="Change the learning rate as it trains"),
        Binding("k", "checkpoint", "Save", tooltip="Save a checkpoint now, and go on"),
        Binding("x", "remove", "Remove", tooltip="Remove the run", show=False),
        Binding("l", "switch('log_y')", "Log", tooltip="Losses on a log axis", show=False),
        Binding("m", "switch('smoothed')", "Smooth", tooltip="Smooth the curves", show=False),
        Binding("left", "steer('crosshair', -1)", "Crosshair left", show=False),
        Binding("right", "steer('crosshair', 1)", "Crosshair right", show=False),
        Binding("plus,equals_sign", "steer('zoom', 0.5)", "Zoom in", show=False),
        Binding("minus", "steer('zoom', 2)", "Zoom out", key_display="-", show=False),
        Binding("0", "steer('zoom_out')", "All steps", show=False),
        Binding("comma", "steer('pan', -1)", "Earlier steps", key_display=",", show=False),
        Binding("full_stop", "steer('pan', 1)", "Later steps", key_display=".", show=False),
    ]
    DEFAULT_CSS = """
    TrainScreen {
        #panes { layout: horizontal; height: 1fr; }
        #runs { width: 44; }
        #welcome { padding: 1 2; height: 1fr; display: none; }
        #live { width: 1fr; height: 1fr; }
        &.-narrow #panes { layout: vertical; }
        &.-narrow #runs { width: 1fr; height: auto; max-height: 6; }
        &.-narrow #said { max-height: 4; }
        &.-empty #welcome { display: block; }
        &.-empty #panes { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seen = Seen([], {}, [], more=False)
        self._most = AT_ONCE
        self._unfolded: frozenset[str] = frozenset()
        self._wanted: str | None = None
        self._form_for: str | None = None
        self._augment = ""
        self._follower: Follower | None = None
        self._snapshot: Snapshot | None = None
        self._marked: dict[str, Snapshot | None] = {}
        self._others: dict[str, Follower] = {}
        self._reading = self._looking = self._look_again = self._filling = False

    def body(self) -> ComposeResult:
        yield Static(id="welcome", markup=False)
        with Container(id="panes"):
            yield LineList("Runs", id="runs")
            yield LiveView(id="live")

    def on_mount(self) -> None:
        self.set_interval(LIST_SECONDS, self.look)
        self.set_interval(refresh_interval(), self._read_on)

    def on_screen_resume(self) -> None:
        self.look()

    def arrive(
        self,
        *,
        run: str | None = None,
        dataset: str | None = None,
        augment: str = "",
        **_: Any,
    ) -> None:
        self._wanted = run
        self._form_for, self._augment = dataset, augment
        self.look()

    @property
    def live(self) -> LiveView:
        return self.query_one(LiveView)

    @property
    def datasets(self) -> list[str]:
        return self._seen.datasets

    # The list

    def look(self, wanted: str | None = None) -> None:
        self._wanted = wanted or self._wanted
        if not self.is_current:
            return
        if self._looking:
            # On a slow disk one look may take longer than the time to the next.
            self._look_again = True
            return
        self._looking, self._look_again = True, False
        most, wanted, unfolded = self._most, self._wanted, self._unfolded
        self.fetch(
            lambda: look(self._runs, most, wanted, unfolded),
            self._list,
            group="runs",
            failed=self._look_failed,
        )

    def _look_failed(self, error: LeptonError) -> None:
        self._looking = False
        self.show_error(error)

    def _list(self, seen: Seen) -> None:
        self._looking = False
        if self._look_again:
            self.look()
        self._seen = seen
        self._most = max(self._most, seen.tops)
        self.set_class(not seen.runs, "-empty")
        self.query_one("#welcome", Static).update(NO_RUNS if seen.datasets else NO_DATA)
        there = {run.id for run in seen.runs}
        self._forget_marks(gone=self._marked.keys() - there)
        runs = self.query_one("#runs", LineList)
        runs.border_subtitle = f"the newest {seen.tops}" if seen.more else ""
        runs.show(lines(seen, self._marked), chosen=self._wanted)
        if self._wanted in there:
            # A trial that somebody wants to see is shown with its search unfolded.
            self._unfolded |= {seen.of[self._wanted]} if self._wanted in seen.of else set()
            self._wanted = None
        if runs.chosen is None:
            self._leave()
        elif self.focused is None:
            runs.focus()
        self._wake()
        self._show_note()
        if not self._filling:
            self._fill_tab()
        self.refresh_bindings()
        if self._form_for is not None and self.is_current:
            dataset, self._form_for = self._form_for, None
            self.ask_settings({"dataset": dataset, "augment": self._augment})

    @property
    def chosen(self) -> RunState | None:
        """The run that the cursor is on, as it was at the last look."""
        name = self.query_one("#runs", LineList).chosen
        return next((run for run in self._seen.runs if run.id == name), None)

    # The live view

    @on(OptionList.OptionHighlighted, "#runs")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        name = event.option_id
        if name is not None and (self._follower is None or self._follower.run.id != name):
            self._leave()
            self._show_note()
            if (run := self.chosen) is not None:
                self.live.offer_tabs(run.kind)
            self._fill_tab()
            self.fetch(lambda: Follower(self._runs.get(name)), self._follow, group="live")
        if self._seen.more and event.option_index >= len(self._seen.runs) - NEAR_THE_END:
            self._most = self._seen.tops + AT_ONCE
            self.look()
        self.refresh_bindings()

    @on(OptionList.OptionSelected, "#runs")
    def action_trials(self) -> None:
        """Show the trials of the chosen search, or fold those that are shown."""
        run = self.chosen
        if run is None:
            return
        search = self._seen.of.get(run.id, run.id)
        if search in self._seen.searches:
            self._unfolded ^= {search}
            self.look(search)

    def _show_note(self) -> None:
        run = self.chosen
        self.live.show_note(str(Notes(run.note, run.tags)) if run else "")

    def _follow(self, follower: Follower) -> None:
        if follower.run.id == self.query_one("#runs", LineList).chosen:
            self._leave()
            self._follower = follower
            self._read_on()

    def _leave(self) -> None:
        self._follower = self._snapshot = None
        self.live.clear()
        self._draw_anew()

    def _draw_anew(self) -> None:
        """Let every curve be given once more: others lie over each other now."""
        self._reading = False
        self.live.charts.clear()
        for follower in (self._follower, *self._others.values()):
            if follower is not None:
                follower.give_again()
        self._snapshot = None
        self._marked = dict.fromkeys(self._marked)

    def _read_on(self) -> None:
        """Read the logs on in a thread, unless that is being done or there is nothing to come."""
        follower = self._follower
        if follower is None or self._reading or not self.is_current:
            return
        others = [
            self._others[name]
            for name, seen in self._marked.items()
            if name != follower.run.id and _goes_on(seen)
        ]
        due = [follower, *others] if _goes_on(self._snapshot) else others
        if not due:
            return
        self._reading = True
        each = refresh_interval() / len(due)
        self.fetch(
            lambda: (follower, [other.advance(each) for other in due]),
            self._draw,
            group="live",
            failed=self._lost,
        )

    def _draw(self, read: tuple[Follower, list[Snapshot]]) -> None:
        follower, snapshots = read
        if follower is not self._follower:
            return
        self._reading = False
        changed = False
        with self.app.batch_update():
            for seen in snapshots:
                if seen.run == follower.run.id:
                    before, self._snapshot = self._snapshot, seen
                    changed = before is None or before.state != seen.state
                    self.live.show(seen, label=short(seen.run) if self._compared() else "")
                    follower.took(seen)
                elif seen.run in self._marked:
                    self._marked[seen.run] = seen
                    self.live.lay_over(seen, label=short(seen.run))
                    self._others[seen.run].took(seen)
        if changed:
            self.look()
            self._fill_tab()
        if any(seen.behind for seen in snapshots):
            self._read_on()

    def _lost(self, error: LeptonError) -> None:
        """The run's folder went away, or its log cannot be read."""
        self._leave()
        self.show_error(error)
        self.look()

    def _wake(self) -> None:
        """A run that had ended may have been resumed, here or from a shell."""
        run, seen = self.chosen, self._snapshot
        if run and seen and run.id == seen.run and run.standing != seen.state:
            self._snapshot = None
            self._read_on()

    # The tabs

    def _fill_tab(self) -> None:
        """Read what the open tab shows besides the run's log of events."""
        seen, run = self._snapshot, self.chosen
        if run is None:
            return
        match self.live.tab:
            case "log" if seen is not None:
                self._fetch_words(
                    lambda: self._runs.get(run.id).log_tail(),
                    lambda printed: self.live.show_words(
                        LOG, lambda: log_words(seen.logs, printed), (run.id, seen.logs, printed)
                    ),
                )
            case "found":
                self._fetch_words(
                    lambda: outcome_of(self._runs.get(run.id)),
                    lambda told: self.live.show_words(
                        FOUND, lambda: search_words(told), (run.id, told)
                    ),
                )
            case "settings":
                self._fetch_words(
                    lambda: settings(self._runs.get(run.id)),
                    lambda found: self.live.show_words(
                        SETTINGS, lambda: settings_words(found), (run.id, found)
                    ),
                )
            case "compare":
                names = [run.id, *self._compared()]
                self._fetch_words(
                    lambda: compare([self._runs.get(name) for name in names]),
                    lambda found: self._show_comparison(names, found),
                )
        self.refresh_bindings()

    def _fetch_words(self, work: Callable[[], T], show: Callable[[T], None]) -> None:
        def done(found: T) -> None:
            self._filling = False
            show(found)

        def failed(error: LeptonError) -> None:
            self._filling = False
            self.show_error(error)

        self._filling = True
        self.fetch(work, done, group="tab", failed=failed)

    def _show_comparison(self, names: list[str], found: Comparison) -> None:
        self.live.show_words(
            COMPARE,
            lambda: comparison_words(found, [short(name) for name in names]),
            found,
        )

    def _compared(self) -> list[str]:
        """The marked runs beside the chosen one."""
        chosen = self.query_one("#runs", LineList).chosen
        return [name for name in self._marked if name != chosen]

    def action_tab(self, step: int) -> None:
        self.action_open_tab(self.live.next_tab(step))

    def action_open_tab(self, name: str) -> None:
        self.live.open_tab(name)
        self._fill_tab()

    def action_filter(self) -> None:
        self.action_open_tab(CHARTS)
        self.live.charts.ask_filter()

    def action_switch(self, switch: str) -> None:
        self.live.charts.toggle(switch)

    def action_steer(self, action: str, amount: float = 0) -> None:
        self.live.charts.steer(action, amount)

    def action_leave_field(self) -> None:
        """Hide the crosshair; else show all charts; else give the keys back to the list."""
        charts = self.live.charts
        if charts.crosshair:
            charts.hide_crosshair()
        elif not charts.drop_filter() or self.focused is None:
            self.query_one("#runs").focus()

    # Runs beside each other

    def action_mark(self) -> None:
        """Mark the run, or take its mark away."""
        run = self.chosen
        if run is None:
            return
        if run.id in self._marked:
            self._forget_marks(gone={run.id})
        elif len(self._marked) == MOST_MARKED:
            self.notify("space takes a mark away.", title=f"{MOST_MARKED} runs are marked")
        else:
            self.fetch(
                lambda: Follower(self._runs.get(run.id)),
                self._mark,
                group="mark",
            )

    def _mark(self, follower: Follower) -> None:
        self._others[follower.run.id] = follower
        self._marked[follower.run.id] = None
        self._marks_changed()

    def _forget_marks(self, gone: set[str]) -> None:
        if gone:
            for name in gone:
                del self._marked[name], self._others[name]
            self._marks_changed()

    def _marks_changed(self) -> None:
        self.query_one("#runs", LineList).show(lines(self._seen, self._marked))
        self._draw_anew()
        self._read_on()
        self._fill_tab()

    # What there is to do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.chosen if self.is_mounted else None
        match action:
            case "stop":
                return run is not None and run.pid is not None
            case "set_rate" | "checkpoint":
                return run is not None and run.pid is not None and run.kind != SEARCH
            case "resume":
                return run is not None and run.pid is None and run.state in RESUMABLE
            case "evaluate":
                return run is not None and run.state == "finished"
            case "trials":
                return run is not None and self._seen.of.get(run.id, run.id) in self._seen.searches
            case "switch" | "clone" | "mark" | "filter" | "steer":
                return run is not None and run.kind != SEARCH
            case "remove" | "note" | "tab":
                return run is not None
        return True

    def shell_command(self) -> str:
        run = self.chosen
        if run is None:
            return asked.command({})
        if self.live.tab == COMPARE:
            return shlex.join(["lepton", "runs", "compare", run.id, *self._compared()])
        if self.live.tab == LOG:
            return shlex.join(["lepton", "runs", "log", run.id])
        verb = "attach" if run.pid is not None else "show"
        return shlex.join(["lepton", "runs", verb, run.id])


def _goes_on(seen: Snapshot | None) -> bool:
    """Whether there may be more to read of a run than was seen of it."""
    return seen is None or seen.alive or seen.behind
