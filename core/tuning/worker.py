"""A search as a run: it starts trainings, looks at how they go, ends the hopeless, keeps the best.

Each trial is a training run of its own, in its own process. A search that was killed finds them
again by their parent, so that no trial is lost and none is done twice.
"""

from __future__ import annotations

import math
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from core.data.lake.lake import Lake
from core.devices.facts import choose_threads
from core.errors import LeptonError
from core.models.registry import Models
from core.runs.events import EventReader
from core.runs.job import Job, Stopped
from core.runs.notes import Notes, write_notes
from core.runs.run import Run
from core.runs.state import TERMINAL, RunState
from core.runs.store import Runs
from core.training.setup import split_for
from core.training.start import start_training
from core.tuning.asked import Asked, Plan, planned
from core.tuning.outcome import Outcome, Trial
from core.tuning.study import Study

LOOK_SECONDS = 0.25
ENDED = TERMINAL | {"interrupted"}
LAUNCHES = 3
"""How often a trial whose process dies is begun."""
HOPELESS = 3
"""So many failures before any trial has worked, and the search gives up."""


def run(job: Job) -> None:
    """Search as the run's spec asks; started by the runs' worker process.

    Raises:
        UsageError: the spec, or names in it, are wrong.
        LeptonError: optuna is missing, or no trial works.
    """
    Search(job, planned(job.workspace, Asked.from_mapping(job.spec))).run()


@dataclass
class _Active:
    """A trial at work."""

    number: int
    params: dict[str, Any]
    run: Run
    reader: EventReader
    launches: int = 1
    best: float | None = None
    hopeless: bool = False


class Search:
    """The loop over trials."""

    def __init__(self, job: Job, plan: Plan) -> None:
        self.job = job
        self.asked = plan.asked
        self.kind = plan.choice.kind
        self.metric = f"val/{self.kind.metric}"
        self.workspace = job.workspace
        self.outcome = Outcome.load(job.run.artifacts) or Outcome(
            self.metric, self.kind.higher_is_better
        )
        self.study = Study(
            job.run.artifacts,
            plan.space,
            higher_is_better=self.kind.higher_is_better,
            seed=int(plan.asked.settings.get("seed", 0)),
            prune=plan.asked.prune,
        )
        self.study.begin_with(plan.first)
        self.settings = self._settings(plan)
        self.active: list[_Active] = []
        self.ended_by: str | None = None
        job.emit(
            "plan",
            task=self.kind.name,
            architecture=plan.choice.architecture.name,
            steps=self.asked.trials,
            metric=self.metric,
            space={name: str(each) for name, each in plan.space.items()},
        )

    def _settings(self, plan: Plan) -> dict[str, Any]:
        """The fixed settings; the rows are split once, for all trials alike."""
        settings = dict(self.asked.settings)
        version = split_for(Lake(self.workspace), plan.choice)
        if self.asked.parallel > 1:
            settings.setdefault("threads", max(1, choose_threads() // self.asked.parallel))
        return {**settings, "dataset": version.ref}

    def run(self) -> None:
        """Go on until all trials have ended, the time is up, or somebody stops it."""
        began = time.monotonic()
        self._find_again()
        while True:
            for trial in list(self.active):
                self._look_at(trial)
            if self.job.should_stop():
                self._stop_all()
                raise Stopped
            if self.asked.max_time and time.monotonic() - began >= self.asked.max_time:
                self._end_all()
                self.ended_by = "max_time"
                break
            while self._may_begin():
                number, params = self.study.ask()
                self._begin(number, params)
            if not self.active:
                break
            self.job.wait(LOOK_SECONDS)
        self._finish()

    def _may_begin(self) -> bool:
        begun = len(self.outcome.trials) + len(self.active)
        return begun < self.asked.trials and len(self.active) < self.asked.parallel

    # Trials that begin

    def _find_again(self) -> None:
        """Go on with the trials that were at work when the search was left."""
        prefix = f"{self.job.run.id}/"
        begun = self.study.begun()
        known: dict[str, Run] = {}
        if begun:
            # Trials are younger than their search, so no older run is opened.
            for each in Runs(self.workspace).newest("train"):
                if each.created < self.job.run.created:
                    break
                known[str(each.info.get("parent"))] = each
        told = {trial.number for trial in self.outcome.trials}
        for number, params in begun:
            if (run := known.get(f"{prefix}{number}")) is None:
                self._begin(number, params)
                continue
            trial = self._watch(number, params, run)
            if number not in told and run.state().state in ("interrupted", "stopped"):
                self._launch(trial)

    def _begin(self, number: int, params: dict[str, Any]) -> None:
        settings = {**self.settings, **params}
        try:
            run = start_training(self.workspace, settings, parent=f"{self.job.run.id}/{number}")
        except LeptonError as error:
            self._tell(Trial(number, "", "failed", None, params, why=str(error)))
            return
        words = " ".join(f"{name}={_word(value)}" for name, value in params.items())
        search = self.job.run.id.rpartition("-")[2]
        note = Notes(f"trial {number}: {words}", (f"tune-{search}",))
        with suppress(LeptonError):
            write_notes(run.path, lambda _: note)
        self._watch(number, params, run)
        self.job.emit("trial", number=number, run=run.id, state="begun", params=params)

    def _watch(self, number: int, params: dict[str, Any], run: Run) -> _Active:
        trial = _Active(number, params, run, EventReader(run.events_path))
        self.active.append(trial)
        return trial

    def _launch(self, trial: _Active) -> None:
        """Start the process of a trial that has lost it."""
        trial.launches += 1
        # Somebody may have resumed it by hand.
        with suppress(LeptonError):
            trial.run.launch()

    # Trials that go on

    def _look_at(self, trial: _Active) -> None:
        state = trial.run.state()
        for events in iter(trial.reader.read, []):
            for event in events:
                if event["event"] == "epoch":
                    self._epoch(trial, event["epoch"], event["metrics"].get(self.metric))
        if state.state not in ENDED:
            return
        if state.state == "interrupted" and trial.launches < LAUNCHES:
            self._launch(trial)
            return
        self._ended(trial, state)

    def _epoch(self, trial: _Active, epoch: int, value: float | None) -> None:
        if value is None or math.isnan(value):
            return
        better = max if self.kind.higher_is_better else min
        trial.best = value if trial.best is None else better(trial.best, value)
        if self.study.report(trial.number, epoch, value) and not trial.hopeless:
            trial.hopeless = True
            with suppress(LeptonError):
                trial.run.stop(wait=0)

    def _ended(self, trial: _Active, state: RunState) -> None:
        self.active.remove(trial)
        how, value, why = "failed", trial.best, ""
        if state.state == "finished":
            how, value = "complete", state.metrics.get(self.metric, trial.best)
        elif state.state == "stopped":
            how = "pruned"
        if how == "complete" and (value is None or math.isnan(value)):
            how, why = "failed", f"it has no {self.metric}"
        if state.error is not None:
            why = state.error["what"]
        model = state.model if state.state == "finished" else None
        took = round(state.seconds or 0.0, 1)
        self._tell(Trial(trial.number, trial.run.id, how, value, trial.params, took, why), model)

    def _tell(self, trial: Trial, model: str | None = None) -> None:
        """Take the end of a trial into the study and into what is told."""
        # The outcome first: a search that is killed in between tells the study again.
        if trial.number not in {each.number for each in self.outcome.trials}:
            self.outcome = replace(self.outcome, trials=(*self.outcome.trials, trial))
        best = self.outcome.best
        is_best = best is not None and best.number == trial.number
        before = self.outcome.model
        if is_best:
            self.outcome = replace(self.outcome, model=model)
        settings = {**self.settings, **trial.params} if is_best else None
        self.outcome.save(self.job.run.artifacts, settings)
        self.study.tell(trial.number, trial.state, trial.value)
        self._keep_best(trial, model, is_best=is_best, before=before)
        said: dict[str, Any] = {"number": trial.number, "run": trial.run, "state": trial.state}
        said |= {"value": trial.value, "params": trial.params, "why": trial.why}
        self.job.emit("trial", **said, best=is_best)
        done = len(self.outcome.trials)
        self.job.emit("step", step=done, steps=self.asked.trials)
        if done >= HOPELESS and all(each.state == "failed" for each in self.outcome.trials):
            self._end_all()
            raise LeptonError(
                f"the first {done} trials have failed; the last said: {trial.why}",
                where=trial.run or self.job.run.id,
                hint="Train once by hand to see what is wrong: lepton train.",
            )

    def _keep_best(
        self, trial: Trial, model: str | None, *, is_best: bool, before: str | None
    ) -> None:
        """Only the best trial keeps its weights: a hundred would fill the disk."""
        gone = before if is_best else model
        if gone is not None and gone != self.outcome.model:
            self._remove(gone)
        if trial.run:
            checkpoints = Run(self.workspace.runs / trial.run, self.workspace).checkpoints
            shutil.rmtree(checkpoints, ignore_errors=True)
            checkpoints.mkdir(exist_ok=True)

    def _remove(self, model: str) -> None:
        """Remove a model, if it is one that a trial of ours has made."""
        models = Models(self.workspace)
        ours = {trial.run for trial in self.outcome.trials}
        with suppress(LeptonError):
            if "@" in model and models.get(model).info.get("run") in ours:
                models.remove(model)

    # Ends

    def _stop_all(self) -> None:
        """Stop the trials; each has saved where it was, and goes on when the search does."""
        for trial in self.active:
            with suppress(LeptonError):
                trial.run.stop(wait=0)
        for trial in self.active:
            trial.run.wait(60)

    def _end_all(self) -> None:
        self._stop_all()
        for trial in list(self.active):
            self._look_at(trial)

    def _finish(self) -> None:
        self.outcome = replace(self.outcome, importance=self.study.importance())
        self.outcome.save(self.job.run.artifacts, None)
        best = self.outcome.best
        if best is None:
            why = next((each.why for each in self.outcome.trials if each.why), "")
            raise LeptonError(
                f"no trial came to its end{': ' + why if why else ''}",
                where=self.job.run.id,
                hint="Train once by hand to see what is wrong: lepton train."
                if why
                else "Give it more time, or fewer epochs to each.",
            )
        if self.ended_by:
            trials = f"{len(self.outcome.trials)} of {self.asked.trials} trials"
            over = f"{self.ended_by}, {self.asked.max_time:g} s, is over"
            self.job.emit("log", text=f"ended after {trials}: {over}")
        self.job.emit(
            "result",
            model=self.outcome.model,
            metrics={self.metric: best.value},
            best_run=best.run,
            ended_by=self.ended_by,
        )


def _word(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
