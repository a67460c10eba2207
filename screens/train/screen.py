"""The Train screen: the runs, and the chosen one live."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import OptionList, Static

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.runs.run import Run
from core.runs.state import RunState
from core.runs.store import Runs
from core.training.start import start_training
from screens.base import LeptonScreen
from screens.listing import Line, LineList, headline
from screens.refresh import refresh_interval
from screens.text import human_number, plain, relative_time, state_badge
from screens.train import asked
from screens.train.asked import Settings
from screens.train.follower import Follower, Snapshot
from screens.train.form import StartForm
from screens.train.live import LiveView
from screens.widgets.confirm import Confirm

LIST_SECONDS = 2.0
KIND = "train"
RESUMABLE = frozenset({"stopped", "failed", "interrupted", "queued"})

NO_DATA = """\
No runs yet, and no data set to train on.

Press 2 to go to Data and bring one in; mnist-sample is always there.\
"""
NO_RUNS = """\
No runs yet. Press n to start one.

A run goes on when you leave the app or lose the connection.\
"""


@dataclass(frozen=True)
class Seen:
    """The runs and data sets of the workspace at one moment."""

    runs: list[RunState]
    datasets: list[str]


class TrainScreen(LeptonScreen):
    """Start runs and watch them learn."""

    MODE = "train"
    TITLE = "Train"
    # The screen's keys go before those of a chart that has the focus: s is always Stop.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "New run", tooltip="Train a model"),
        Binding("s", "stop", "Stop", tooltip="Stop the run and save", priority=True),
        Binding("r", "resume", "Resume", tooltip="Go on from the last checkpoint"),
        Binding("e", "evaluate", "Evaluate", tooltip="Judge the model it made"),
        Binding("x", "remove", "Remove", tooltip="Remove the run", show=False),
        Binding(
            "l", "switch('log_y')", "Log", tooltip="Loss on a log axis", show=False, priority=True
        ),
        Binding("m", "switch('smoothed')", "Smooth", tooltip="Smooth the curves", show=False),
    ]
    DEFAULT_CSS = """
    TrainScreen {
        #panes { layout: horizontal; height: 1fr; }
        #runs { width: 40; }
        #welcome { padding: 1 2; height: 1fr; display: none; }
        #live { width: 1fr; height: 1fr; }
        &.-narrow #panes { layout: vertical; }
        &.-narrow #runs { width: 1fr; height: auto; max-height: 6; }
        &.-narrow #charts { layout: horizontal; }
        &.-narrow #said { max-height: 4; }
        &.-empty #welcome { display: block; }
        &.-empty #panes { display: none; }
    }
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._runs = Runs(self.workspace)
        self._seen = Seen([], [])
        self._wanted: str | None = None
        self._form_for: str | None = None
        self._augment = ""
        self._follower: Follower | None = None
        self._snapshot: Snapshot | None = None
        self._reading = False

    def body(self) -> ComposeResult:
        yield Static(id="welcome", markup=False)
        with Container(id="panes"):
            yield LineList("Runs", id="runs")
            yield LiveView(id="live")

    def on_mount(self) -> None:
        self.set_interval(LIST_SECONDS, self._look)
        self.set_interval(refresh_interval(), self._read_on)

    def on_screen_resume(self) -> None:
        self._look()

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
        self._look()

    # The list

    def _look(self) -> None:
        if self.is_current:
            self.fetch(self._gather, self._list, group="runs")

    def _gather(self) -> Seen:
        runs = [run for run in self._runs.list() if run.kind == KIND]
        return Seen(runs, [version.dataset for version in Lake(self.workspace).datasets()])

    def _list(self, seen: Seen) -> None:
        self._seen = seen
        self.set_class(not seen.runs, "-empty")
        self.query_one("#welcome", Static).update(NO_RUNS if seen.datasets else NO_DATA)
        runs = self.query_one("#runs", LineList)
        runs.show([_line(run) for run in seen.runs], chosen=self._wanted)
        if self._wanted in {run.id for run in seen.runs}:
            self._wanted = None
        if runs.chosen is None:
            self._leave()
        elif self.focused is None:
            runs.focus()
        self._wake()
        self.refresh_bindings()
        if self._form_for is not None and self.is_current:
            dataset, self._form_for = self._form_for, None
            self._ask(dataset, self._augment)

    @property
    def chosen(self) -> RunState | None:
        """The run that the cursor is on, as it was at the last look."""
        named = self.query_one("#runs", LineList).chosen
        return next((run for run in self._seen.runs if run.id == named), None)

    # The live view

    @on(OptionList.OptionHighlighted, "#runs")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        named = event.option_id
        if named is not None and (self._follower is None or self._follower.run.id != named):
            self._leave()
            self.fetch(lambda: Follower(self._runs.get(named)), self._follow, group="live")
        self.refresh_bindings()

    def _follow(self, follower: Follower) -> None:
        if follower.run.id == self.query_one("#runs", LineList).chosen:
            self._leave()
            self._follower = follower
            self._read_on()

    def _leave(self) -> None:
        self._follower = self._snapshot = None
        self._reading = False
        self.query_one(LiveView).clear()

    def _read_on(self) -> None:
        """Read the log on in a thread, unless that is being done or there is nothing to come."""
        follower, seen = self._follower, self._snapshot
        settled = seen is not None and not seen.alive and not seen.behind
        if follower is None or self._reading or settled or not self.is_current:
            return
        self._reading = True
        self.fetch(
            lambda: (follower, follower.advance(refresh_interval())),
            self._draw,
            group="live",
            failed=self._lost,
        )

    def _draw(self, read: tuple[Follower, Snapshot]) -> None:
        follower, seen = read
        if follower is not self._follower:
            return
        before, self._snapshot = self._snapshot, seen
        self._reading = False
        with self.app.batch_update():
            self.query_one(LiveView).show(seen)
        if before is None or before.state != seen.state:
            self._look()
        if seen.behind:
            self._read_on()

    def _lost(self, error: LeptonError) -> None:
        """The run's folder went away, or its log cannot be read."""
        self._leave()
        self.show_error(error)
        self._look()

    def _wake(self) -> None:
        """A run that had ended may have been resumed, here or from a shell."""
        run, seen = self.chosen, self._snapshot
        if run and seen and run.id == seen.run and run.state != seen.state:
            self._snapshot = None
            self._read_on()

    # What a person does

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.chosen if self.is_mounted else None
        match action:
            case "stop":
                return run is not None and run.pid is not None
            case "resume":
                return run is not None and run.pid is None and run.state in RESUMABLE
            case "evaluate":
                return run is not None and run.state == "finished"
            case "remove" | "switch":
                return run is not None
        return True

    def action_new(self) -> None:
        run = self.chosen
        self._ask(run.dataset.partition("@")[0] if run and run.dataset else None)

    def _ask(self, dataset: str | None, augment: str = "") -> None:
        if not self._seen.datasets:
            self.notify("Press 2 to bring one in.", title="There is no data set", markup=False)
            return
        form = StartForm(
            self._seen.datasets,
            chosen=dataset,
            augment=augment,
            survey=lambda name: asked.survey(self.workspace, name),
            fetch=self.fetch,
        )
        self.app.push_screen(form, self._start)

    def _start(self, settings: Settings | None) -> None:
        if settings:
            self.fetch(
                lambda: start_training(self.workspace, settings), self._started, group="start"
            )

    def _started(self, run: Run) -> None:
        self._wanted = run.id
        self._look()

    def action_stop(self) -> None:
        self._confirm(
            "Stop",
            "It finishes its step and saves; r goes on from there.",
            lambda run: run.stop(wait=0),
        )

    def action_resume(self) -> None:
        if run := self.chosen:
            self._do(run.id, lambda run: run.launch())

    def action_remove(self) -> None:
        self._confirm(
            "Remove",
            "Its curves and checkpoints go; the model it made stays.",
            lambda r: r.remove(),
        )

    def _confirm(self, verb: str, consequences: str, work: Callable[[Run], object]) -> None:
        run = self.chosen
        if run is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._do(run.id, work)

        self.app.push_screen(Confirm(f"{verb} {_named(run)}?", consequences), answered)

    def _do(self, run: str, work: Callable[[Run], object]) -> None:
        self.fetch(lambda: work(self._runs.get(run)), lambda _: self._look(), group="do")

    def action_evaluate(self) -> None:
        if run := self.chosen:
            self.studio.visit("evaluate", model=run.model)

    def action_switch(self, switch: str) -> None:
        self.query_one(LiveView).toggle(switch)

    def shell_command(self) -> str:
        run = self.chosen
        if run is None:
            return asked.command({})
        verb = "attach" if run.pid is not None else "show"
        return shlex.join(["lepton", "runs", verb, run.id])


def _named(run: RunState) -> str:
    return plain(run.model or run.dataset or run.id)


def _line(run: RunState) -> Line:
    if run.pid is not None and run.epochs:
        far = f"{run.epoch or 1}/{run.epochs}"
    else:
        found = headline(run.metrics)
        far = human_number(found[1], 3) if found else ""
    age = relative_time(run.created).removesuffix(" ago")
    return Line(run.id, f"{state_badge(run.state)[0]} {_named(run)}", (far, age))
