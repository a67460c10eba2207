"""What a person does to runs on the Train screen: start, stop, go on, clone, note, remove."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.errors import LeptonError, UsageError
from core.runs.notes import Notes, write_notes
from core.runs.requests import ask
from core.runs.run import Run
from core.runs.state import RunState
from core.runs.store import Runs
from core.training.start import start_training
from screens.base import LeptonScreen
from screens.train import asked
from screens.train.asked import Settings
from screens.train.form import StartForm
from screens.train.lines import SEARCH, named
from screens.widgets.ask import Ask
from screens.widgets.confirm import Confirm

RESUMABLE = frozenset({"stopped", "failed", "interrupted", "queued"})


def able(action: str, run: RunState | None) -> bool:
    """Whether an action can be done with the run that is chosen, or with none."""
    match action:
        case "stop":
            return run is not None and run.pid is not None
        case "set_rate" | "checkpoint":
            return run is not None and run.pid is not None and run.kind != SEARCH
        case "resume":
            return run is not None and run.pid is None and run.state in RESUMABLE
        case "evaluate":
            return run is not None and run.state == "finished"
        case "switch" | "clone" | "mark" | "filter" | "steer":
            return run is not None and run.kind != SEARCH
        case "remove" | "note" | "tab":
            return run is not None
    return True


class RunActs(LeptonScreen):
    """A screen with a chosen run, and the actions of its keys."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._runs = Runs(self.workspace)

    @property
    def chosen(self) -> RunState | None:
        """The run that the cursor is on."""
        raise NotImplementedError

    @property
    def datasets(self) -> list[str]:
        """What there is to train on."""
        raise NotImplementedError

    def look(self, wanted: str | None = None) -> None:
        """Look at the runs again, and go to the `wanted` one."""
        raise NotImplementedError

    def action_new(self) -> None:
        run = self.chosen
        self.ask_settings(
            {"dataset": run.dataset.partition("@")[0] if run and run.dataset else None}
        )

    def action_clone(self) -> None:
        if run := self.chosen:
            self.fetch(
                lambda: asked.of_run(self._runs.get(run.id).spec), self.ask_settings, group="clone"
            )

    def ask_settings(self, given: Mapping[str, Any], wrong: LeptonError | None = None) -> None:
        if not self.datasets:
            self.notify("Press 2 to bring one in.", title="There is no data set", markup=False)
            return
        form = StartForm(
            self.datasets,
            given,
            survey=lambda name: asked.survey(self.workspace, name),
            fetch=self.fetch,
            wrong=wrong,
        )
        self.app.push_screen(form, self._start)

    def _start(self, settings: Settings | None) -> None:
        if settings:
            notes: list[str] = []
            self.fetch(
                lambda: start_training(self.workspace, settings, notes),
                lambda run: self._started(run, notes),
                group="start",
                # What was typed is not lost: the form comes back with it.
                failed=lambda error: self.ask_settings(settings, error),
            )

    def _started(self, run: Run, notes: Sequence[str]) -> None:
        for each in notes:
            self.notify(each, markup=False)
        self.look(run.id)

    def action_stop(self) -> None:
        run = self.chosen
        words = "It finishes its step and saves; r goes on from there."
        if run is not None and run.place is not None:
            words = "It leaves the queue; r puts it at the end again."
        elif run is not None and run.kind == SEARCH:
            words = "Its trials finish their steps and save; r goes on from there."
        self._confirm("Stop", words, lambda run: run.stop(wait=0))

    def action_resume(self) -> None:
        if run := self.chosen:
            self._do(run.id, lambda run: run.launch())

    def action_set_rate(self) -> None:
        """Ask for another learning rate of a run that is at work."""
        run = self.chosen
        if run is None:
            return

        def answered(written: str | None) -> None:
            if written is not None:
                self._do(run.id, lambda run: ask(run, lr=_rate(written)))

        question = Ask(
            f"Learning rate of {named(run)}",
            placeholder="a number above 0, such as 0.0003",
            check=_rate,
            explained="The peak from the next step on; the schedule goes on from where it is. A run"
            " that is resumed keeps to it.",
        )
        self.app.push_screen(question, answered)

    def action_checkpoint(self) -> None:
        """Ask a run that is at work for a checkpoint."""
        if run := self.chosen:
            self.fetch(
                lambda: ask(self._runs.get(run.id), checkpoint=True), self._asked, group="do"
            )

    def _asked(self, _: None) -> None:
        self.notify("It saves after the step it is at.", title="A checkpoint", timeout=4)

    def action_remove(self) -> None:
        self._confirm(
            "Remove",
            "What it found goes; its trials stay, each a run of its own."
            if self.chosen is not None and self.chosen.kind == SEARCH
            else "Its curves and checkpoints go; the model it made stays.",
            lambda r: r.remove(),
        )

    def action_note(self) -> None:
        """Ask for the note and tags of the run, as they are now."""
        run = self.chosen
        if run is None:
            return

        def answered(written: str | None) -> None:
            if written is not None:
                self._do(
                    run.id, lambda run: write_notes(run.path, lambda _: Notes.written(written))
                )

        now = Notes(run.note, run.tags)
        question = Ask(
            f"Note on {named(run)}",
            value=str(now),
            placeholder="flips help #augmented #best",
            explained="Words that begin with # are tags. A single - takes the note away.",
        )
        self.app.push_screen(question, answered)

    def _confirm(self, verb: str, consequences: str, work: Callable[[Run], object]) -> None:
        run = self.chosen
        if run is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._do(run.id, work)

        self.app.push_screen(Confirm(f"{verb} {named(run)}?", consequences), answered)

    def _do(self, run: str, work: Callable[[Run], object]) -> None:
        self.fetch(lambda: work(self._runs.get(run)), lambda _: self.look(), group="do")

    def action_evaluate(self) -> None:
        if run := self.chosen:
            self.studio.visit("evaluate", model=run.model)


def _rate(written: str) -> float:
    """A learning rate as it was typed.

    Raises:
        UsageError: it is no number above 0.
    """
    try:
        rate = float(written)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise UsageError(f'"{written}" is no learning rate', hint="Type a number above 0.")
    return rate
