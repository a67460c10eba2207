"""Following a run: a line for each epoch, and in a terminal a line that moves between them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import LeptonError
from core.runs.events import Event
from lepton_tui.cli.output import bar, in_terminal, width
from lepton_tui.cli.status import StatusLine
from screens.text import human_count, human_duration, human_number

if TYPE_CHECKING:
    from core.runs.run import Run
    from core.runs.state import RunState

Say = Callable[[str], None]


def follow(run: Run, say: Say, *, past: int = 0) -> RunState:
    """Tell what a run does until it ends; how it ended. The first `past` events are not told.

    Raises:
        LeptonError: the run failed or was interrupted.
        KeyboardInterrupt: the person wants no more of it; the run goes on.
    """
    watcher = Watcher(say)
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


class Watcher:
    """Turns events into lines: `say` gets those that stay, the status line those that pass."""

    def __init__(self, say: Say) -> None:
        self.line = StatusLine()
        self._say_line = say
        self._plan: Event = {}
        self._origin: tuple[float, int] | None = None

    def feed(self, event: Event, *, told: bool) -> None:
        """Take an event in, and tell it unless it is of the past."""
        match event["event"]:
            case "plan":
                self._plan = event
                if told:
                    self._say(_plan(event))
            case "step":
                self.line.show(self._step(event))
            case "epoch" if told:
                self._say(self._epoch(event))
            case "resumed" if told:
                self._say(f"Resumed at step {human_count(event['step'])}.")
            case "log" if told:
                self._say(event["text"])

    def _say(self, text: str) -> None:
        self.line.clear()
        self._say_line(text)

    def _step(self, event: Event) -> str:
        step, steps = event["step"], self._plan.get("steps") or 0
        epochs = self._plan.get("epochs")
        parts = [f"epoch {event.get('epoch', 1)}" + (f"/{epochs}" if epochs else "")]
        if steps:
            parts.append(f"{bar(step / steps):<20} {step / steps:4.0%}")
        parts += [f"{name} {human_number(event[name])}" for name in ("loss", "lr") if name in event]
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


def _plan(event: Event) -> str:
    parts = [str(event.get("architecture") or event.get("task") or "")]
    if parameters := event.get("parameters"):
        parts.append(f"{human_count(parameters)} parameters")
    if examples := event.get("examples"):
        parts.append(f"{human_count(examples)} examples")
    if epochs := event.get("epochs"):
        each = event.get("steps_per_epoch")
        parts.append(f"{epochs} epochs" + (f" of {human_count(each)} steps" if each else ""))
    if device := event.get("device"):
        threads = event.get("threads")
        parts.append(
            f"on {device}" + (f" with {threads} thread{'s'[: threads > 1]}" if threads else "")
        )
    return ", ".join(part for part in parts if part)
