"""What the events of a run amount to: curves, log lines and the result, as a screen shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.runs.events import Event
from core.runs.series import Series

_NOT_SERIES = frozenset({"time", "event", "step", "epoch"})
REMEMBERED = 1000
"""Epochs, checkpoints, samples and lines of the log: the last of each, in a run that has more."""


@dataclass
class RunHistory:
    """Built event by event.

    `state` is the last one in the log; whether its process still lives, only the run can tell.
    `series` has the numbers of `step` events under their own names (loss, lr, examples_per_second)
    and the metrics of `epoch` events under theirs (train/loss, val/accuracy). `epochs`,
    `checkpoints` and `samples` are events as they came. `metrics` are the result's, or else the
    last epoch's. Times are Unix seconds; `last` is that of the newest event.
    """

    state: str = "queued"
    stopping: bool = False
    plan: Event = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    series: dict[str, Series] = field(default_factory=dict)
    epochs: list[Event] = field(default_factory=list)
    checkpoints: list[Event] = field(default_factory=list)
    samples: list[Event] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    waiting: Event | None = None
    """Where it stands in the queue, while it waits for a device."""
    paused: str | None = None
    """Why it waits in the middle of its work."""
    error: dict[str, str] | None = None
    result: Event | None = None
    started: float | None = None
    ended: float | None = None
    last: float = 0.0
    worked: float = 0.0
    """Seconds that processes which have ended worked on it; a resumed run has had several."""
    since: float | None = None
    """When the process began that works on it."""
    pace: list[tuple[float, int]] = field(default_factory=list)
    """When the first and the newest step were told of what goes on without a break, and which."""

    @property
    def metrics(self) -> dict[str, float]:
        if self.result and self.result.get("metrics"):
            return dict(self.result["metrics"])
        return dict(self.epochs[-1].get("metrics", {})) if self.epochs else {}

    @property
    def examples_per_second(self) -> float | None:
        series = self.series.get("examples_per_second")
        return series.last if series else None

    def elapsed(self, now: float | None = None) -> float | None:
        """Seconds of work so far; up to `now` while a process is at it, else to its last word."""
        if self.since is None:
            return self.worked or None
        return self.worked + max(0.0, (self.last if now is None else now) - self.since)

    def remaining(self) -> float | None:
        """Seconds to the last step at the pace since the run last began; None when nothing tells.

        Not at the newest pace: that jumps with every epoch's end and with all else on the machine.
        """
        steps = self.plan.get("steps")
        if not steps or len(self.pace) < 2:
            return None
        (first_at, first), (last_at, last) = self.pace[0], self.pace[-1]
        if last_at <= first_at or last <= first:
            return None
        return float(max(0, steps - last)) * (last_at - first_at) / (last - first)

    def feed(self, event: Event) -> None:
        """Take one more event in. Names that it does not know change nothing."""
        match event["event"]:
            case "state":
                self._feed_state(event)
            case "plan":
                self.plan = event
            case "step":
                self._at(event)
                self._paced(event)
                numbers = {name: event[name] for name in event if name not in _NOT_SERIES}
                self._append(event["step"], numbers)
            case "epoch":
                self._at(event)
                if self.pace:
                    # What an epoch's end takes counts too.
                    self._paced(event)
                _remember(self.epochs, event)
                self._append(event["step"], event.get("metrics", {}))
            case "checkpoint":
                _remember(self.checkpoints, event)
            case "samples":
                _remember(self.samples, event)
            case "resumed":
                self._take_back(event["step"])
                self._at(event)
            case "log":
                _remember(self.logs, event["text"])
            case "obeyed":
                _remember(self.logs, obeyed_words(event))
            case "waiting":
                self.waiting = event
            case "paused":
                self.paused = event["why"]
                self.pace.clear()
            case "result":
                self.result = event
        self.last = event["time"]

    def _paced(self, event: Event) -> None:
        self.pace = [*self.pace[:1], (event["time"], event["step"])]

    def _feed_state(self, event: Event) -> None:
        if event["state"] == "stopping":
            self.stopping = True
            return
        self.state = event["state"]
        self.stopping = False
        self.waiting = self.paused = None
        self.error = event.get("error")
        self.ended = None
        if self.state == "running":
            self.started = self.started or event["time"]
            self.since = event["time"]
            self.pace.clear()
            return
        if self.since is not None:
            # "queued" after a kill: that process worked until its last word.
            until = self.last if self.state == "queued" else event["time"]
            self.worked += max(0.0, until - self.since)
            self.since = None
        if self.state != "queued":
            self.ended = event["time"]

    def _at(self, event: Event) -> None:
        self.step = event["step"]
        self.epoch = event.get("epoch", self.epoch)

    def _append(self, step: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            if isinstance(value, (int, float)):
                series = self.series.get(name)
                if series is None:
                    series = self.series[name] = Series()
                series.append(step, value)

    def _take_back(self, step: int) -> None:
        """Drop what lies after the step that a resumed run went back to."""
        for series in self.series.values():
            series.take_back(step)
        self.pace.clear()
        for events in (self.epochs, self.checkpoints, self.samples):
            events[:] = [event for event in events if event["step"] <= step]

    def to_json(self) -> dict[str, Any]:
        """All but the series, as plain JSON values."""
        return {name: value for name, value in vars(self).items() if name != "series"}

    @classmethod
    def from_json(cls, told: dict[str, Any], series: dict[str, Series]) -> RunHistory:
        """What `to_json` wrote, and the series.

        Raises:
            TypeError: it is of another version.
        """
        pace = [(at, step) for at, step in told.pop("pace")]
        return cls(**told, pace=pace, series=series)


def obeyed_words(event: Event) -> str:
    """What a run did because a person asked for it while it ran (`core.runs.requests`)."""
    at = f"at step {event['step']:,}, as asked"
    if "lr" in event:
        return f"the learning rate is {event['lr']:g} from here: {at}"
    return f"a checkpoint was saved: {at}"


def waiting_words(event: Event) -> str:
    """Where a run stands in the queue, for which devices, and which runs are on them."""
    place = "next" if event["place"] == 1 else f"number {event['place']}"
    devices = device_words(event["devices"], event.get("together", 1))
    words = f"{place} in the queue for {devices or 'a device'}"
    elsewhere = event.get("elsewhere") or {}
    behind = [
        run.rpartition("-")[2] + (f" of the workspace {elsewhere[run]}" if run in elsewhere else "")
        for run in event["behind"]
    ]
    if behind:
        words += f", where {', '.join(behind)} {'works' if len(behind) == 1 else 'work'}"
    return words


def device_words(devices: Sequence[str], together: int) -> str:
    """Devices of which one is waited for, or all: `cuda:0 or cuda:1`, `cuda:0 to cuda:3`."""
    if together > 2:
        return f"{devices[0]} to {devices[-1]}" if devices else ""
    return (" and " if together == 2 else " or ").join(devices)


def _remember(kept: list[Any], newest: Any) -> None:
    kept.append(newest)
    if len(kept) > 2 * REMEMBERED:
        del kept[:-REMEMBERED]


def history(events: Iterable[Event]) -> RunHistory:
    """Reduce events, in order, to what they amount to."""
    told = RunHistory()
    for event in events:
        told.feed(event)
    return told
