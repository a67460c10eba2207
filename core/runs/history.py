"""What the events of a run amount to: curves, log lines and the result, as a screen shows them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.runs.events import Event

_NOT_SERIES = frozenset({"time", "event", "step", "epoch"})


class Series(NamedTuple):
    """A curve: `steps` (training steps, rising) and the value at each."""

    steps: list[int]
    values: list[float]


@dataclass
class RunHistory:
    """Built event by event.

    `state` is the last one in the log; whether its process still lives, only the run can tell.
    `series` has the numbers of `step` events under their own names (loss, lr, examples_per_second)
    and the metrics of `epoch` events under theirs (train/loss, val/accuracy). `epochs` and
    `checkpoints` are events as they came. `metrics` are the result's, or else the last epoch's.
    """

    state: str = "queued"
    stopping: bool = False
    plan: Event = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    series: dict[str, Series] = field(default_factory=dict)
    epochs: list[Event] = field(default_factory=list)
    checkpoints: list[Event] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None
    result: Event | None = None
    started: float | None = None
    ended: float | None = None

    @property
    def metrics(self) -> dict[str, float]:
        if self.result and self.result.get("metrics"):
            return dict(self.result["metrics"])
        return dict(self.epochs[-1].get("metrics", {})) if self.epochs else {}

    @property
    def examples_per_second(self) -> float | None:
        series = self.series.get("examples_per_second")
        return series.values[-1] if series and series.values else None

    def feed(self, event: Event) -> None:
        """Take one more event in. Names that it does not know change nothing."""
        match event["event"]:
            case "state":
                self._feed_state(event)
            case "plan":
                self.plan = event
            case "step":
                self._at(event)
                numbers = {name: event[name] for name in event if name not in _NOT_SERIES}
                self._append(event["step"], numbers)
            case "epoch":
                self._at(event)
                self.epochs.append(event)
                self._append(event["step"], event.get("metrics", {}))
            case "checkpoint":
                self.checkpoints.append(event)
            case "resumed":
                self._take_back(event["step"])
                self._at(event)
            case "log":
                self.logs.append(event["text"])
            case "result":
                self.result = event

    def _feed_state(self, event: Event) -> None:
        if event["state"] == "stopping":
            self.stopping = True
            return
        self.state = event["state"]
        self.stopping = False
        self.error = event.get("error")
        self.ended = None
        if self.state == "running":
            self.started = self.started or event["time"]
        elif self.state != "queued":
            self.ended = event["time"]

    def _at(self, event: Event) -> None:
        self.step = event["step"]
        self.epoch = event.get("epoch", self.epoch)

    def _append(self, step: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            if isinstance(value, (int, float)):
                series = self.series.setdefault(name, Series([], []))
                series.steps.append(step)
                series.values.append(value)

    def _take_back(self, step: int) -> None:
        """Drop what lies after the step that a resumed run went back to."""
        for steps, values in self.series.values():
            keep = bisect_right(steps, step)
            del steps[keep:], values[keep:]
        self.epochs = [event for event in self.epochs if event["step"] <= step]
        self.checkpoints = [event for event in self.checkpoints if event["step"] <= step]


def history(events: Iterable[Event]) -> RunHistory:
    """Reduce events, in order, to what they amount to."""
    told = RunHistory()
    for event in events:
        told.feed(event)
    return told
