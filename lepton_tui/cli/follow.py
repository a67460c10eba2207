"""Following a run: a line for each epoch, and in a terminal a line that moves between them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from core.errors import LeptonError, UsageError
from core.runs.events import Event
from core.runs.history import obeyed_words, waiting_words
from lepton_tui.cli.output import bar, in_pipe, in_terminal, note, put, put_json, width, wrapped
from lepton_tui.cli.status import StatusLine
from screens.text import (
    answer_words,
    clip,
    counted,
    human_count,
    human_duration,
    human_number,
)

if TYPE_CHECKING:
    from core.runs.run import Run
    from core.runs.state import RunState

Say = Callable[[str], None]

IN_A_LINE = ("loss", "lr", "grad_norm")
SECONDS_BETWEEN = 10.0


def follow(run: Run, say: Say, *, past: int = 0, samples: bool = False) -> RunState:
    """Tell what a run does until it ends; how it ended. The first `past` events are not told.

    With `samples`, what the model says of a few rows is told too.

    Raises:
        LeptonError: the run failed or was interrupted.
        KeyboardInterrupt: the person wants no more of it; the run goes on.
    """
    watcher = Watcher(say, samples=samples)
    watcher.line.show("Starting", now=True)
    try:
        for number, event in enumerate(run.events(follow=True)):
            watcher.feed(event, told=number >= past)
    finally:
        watcher.line.clear()
    state = run.state()
    if state.error is not None:
        raise LeptonError.from_json(state.error)
    return state


def follow_own(run: Run, *, json: bool, past: int = 0) -> RunState:
    """Follow a run that this command has launched: Ctrl-C stops it, with all saved.

    Raises:
        LeptonError: the run failed.
        Exit: the person stopped it; the code is 130.
    """
    say = note if json else put
    try:
        return follow(run, say, past=past)
    except KeyboardInterrupt:
        waits = run.state().place is not None
        note(
            "Leaving the queue."
            if waits
            else "Stopping after this step, and saving. Ctrl-C again leaves it to end by itself."
        )
    try:
        state = run.stop(wait=None)
    except UsageError:
        state = run.state()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if json:
        put_json(state.to_json())
    if state.state == "stopped":
        note(stopped_words(state))
    raise typer.Exit(130)


def stopped_words(state: RunState) -> str:
    where = "before its first step" if state.step is None else f"at step {state.step}"
    return f"Stopped {where}. Go on with: lepton runs resume {state.id}"


class Watcher:
    """Turns events into lines: `say` gets those that stay, the status line those that pass.

    In a pipe nothing passes: there a line stays for every hundredth of the steps, as long as ten
    seconds lie between two.
    """

    def __init__(self, say: Say, *, samples: bool = False) -> None:
        self.line = StatusLine()
        self._say_line = say
        self._samples = samples
        self._plan: Event = {}
        self._origin: tuple[float, int] | None = None
        self._waits = ""
        self._told_at = 0.0
        self._told_step = 0

    def feed(self, event: Event, *, told: bool) -> None:
        """Take an event in, and tell it unless it is of the past."""
        match event["event"]:
            case "plan":
                # A process begins: the time of the one before, and since, does not count.
                self._plan, self._origin = event, None
                if told and "space" in event:
                    self._say(_search_plan(event))
                elif told:
                    self._say(_plan(event))
            case "step":
                self.line.show(self._step(event))
                if told and not self.line.live and self._step_due(event):
                    self._say(self._step(event))
            case "epoch" if told:
                self._say(self._epoch(event))
            case "resumed" if told:
                self._say(f"Resumed at step {human_count(event['step'])}.")
            case "log" if told:
                self._say(event["text"])
            case "waiting" if told:
                if (words := waiting_words(event)) != self._waits:
                    self._say(f"Waiting: {words}.")
                self._waits = words
                self.line.show("Waiting")
            case "trial" if told:
                self._say(trial_words(event))
            case "obeyed" if told:
                self._say(obeyed_words(event))
            case "samples" if told and self._samples:
                for sample in event["examples"]:
                    self._say(_sample(sample))
        if event["event"] in ("plan", "epoch", "resumed"):
            self._told_at, self._told_step = event["time"], event.get("step", self._told_step)

    def _say(self, text: str) -> None:
        self.line.clear()
        for line in [text] if in_pipe() else wrapped(text, width()):
            self._say_line(line)

    def _step_due(self, event: Event) -> bool:
        """Whether it is time for another line where none is drawn over."""
        self._told_at = self._told_at or event["time"]
        hundredth = max(1, (self._plan.get("steps") or 0) // 100)
        since = event["step"] - self._told_step
        if event["time"] - self._told_at < SECONDS_BETWEEN or 0 <= since < hundredth:
            return False
        self._told_at, self._told_step = event["time"], event["step"]
        return True

    def _step(self, event: Event) -> str:
        step, steps = event["step"], self._plan.get("steps") or 0
        epochs = self._plan.get("epochs")
        parts = []
        if "epoch" in event:
            parts.append(f"epoch {event['epoch']}" + (f"/{epochs}" if epochs else ""))
        if steps:
            drawn = f"{bar(step / steps):<20} " if self.line.live else f"step {step}/{steps} "
            parts.append(f"{drawn}{step / steps:4.0%}")
        parts += [f"{name} {human_number(event[name])}" for name in IN_A_LINE if name in event]
        if speed := event.get("examples_per_second"):
            parts.append(f"{human_number(speed, 3)}/s")
        if left := self._left(event, steps):
            parts.append(f"{human_duration(left)} left")
        return "  ".join(parts)

    def _left(self, event: Event, steps: int) -> float | None:
        """Seconds to the last step, at the pace since we look."""
        now, step = event["time"], event["step"]
        if self._origin is None or step <= self._origin[1]:
            self._origin = (now, step)
            return None
        began, first = self._origin
        return float((now - began) / (step - first) * (steps - step)) if steps > step else None

    def _epoch(self, event: Event) -> str:
        epochs = self._plan.get("epochs")
        of = f"/{epochs}" if epochs else ""
        number = str(event["epoch"]).rjust(len(str(epochs or "")))
        before = f"epoch {number}{of}  "
        after = f"  {human_duration(event['seconds'])}" if "seconds" in event else ""
        most = width() - len(before) - len(after) if in_terminal(sys.stdout) else None
        return before + metrics_line(event.get("metrics", {}), most) + after


def metrics_line(metrics: dict[str, Any], most: int | None = None) -> str:
    """Metrics in a row, the first four: `val/loss 0.2113  val/accuracy 0.9412`.

    With `most` as many of them as stand in so many columns.
    """
    shown = [f"{name} {human_number(value):<7}" for name, value in list(metrics.items())[:4]]
    while most is not None and len(shown) > 1 and len("  ".join(shown).rstrip()) > most:
        shown.pop()
    return "  ".join(shown).rstrip()


def trial_words(event: Event) -> str:
    """A trial of a search that begins or ends: `trial 3 complete 0.978, the best so far`."""
    tried = " ".join(f"{name}={short_value(value)}" for name, value in event["params"].items())
    if event["state"] == "begun":
        return f"trial {event['number']} begins: {tried}"
    value = "" if event["value"] is None else f" {human_number(event['value'])}"
    why = f": {event['why']}" if event.get("why") else ""
    best = ", the best so far" if event.get("best") else ""
    return f"trial {event['number']} {event['state']}{value}{best}{why}"


def short_value(value: object) -> str:
    return human_number(value, 3) if isinstance(value, float) else str(value)


def _search_plan(event: Event) -> str:
    space = ", ".join(f"{name}={each}" for name, each in event["space"].items())
    trials = counted(event["steps"], "trial")
    return f"searching {space} in {trials} of {event['architecture']}, by {event['metric']}"


def _sample(sample: dict[str, Any]) -> str:
    """What the model says of a row, beside what was to be said."""
    truth, answer = sample.get("truth"), sample.get("answer")
    known = "" if truth is None else f"  {clip(answer_words(truth), 60)}"
    mark = ""
    if isinstance(answer, dict) and "label" in answer and truth is not None:
        mark = "  ✓" if str(answer["label"]) == str(truth) else "  ✗"
    return f"  row {sample['row']}{known}: {clip(answer_words(answer), 60)}{mark}"


def _plan(event: Event) -> str:
    parts = [str(event.get("architecture") or event.get("task") or "")]
    if parameters := event.get("parameters"):
        trained = event.get("trained") or parameters
        of_them = "" if trained == parameters else f", {human_count(trained)} of them trained"
        parts.append(f"{human_count(parameters)} parameters{of_them}")
    if examples := event.get("examples"):
        parts.append(f"{human_count(examples)} examples")
    if epochs := event.get("epochs"):
        each = event.get("steps_per_epoch")
        steps = f" of {counted(each, 'step')}" if each else ""
        most = event.get("steps") or 0
        only = f", the first {human_count(most)} of them" if each and most < epochs * each else ""
        parts.append(counted(epochs, "epoch") + steps + only)
    if device := event.get("device"):
        threads, together = event.get("threads"), event.get("devices") or 1
        device = f"{together} × {device}" if together > 1 else device
        parts.append(
            f"on {device}" + (f" with {threads} thread{'s'[: threads > 1]}" if threads else "")
        )
    return ", ".join(part for part in parts if part)
