"""Following a run: its event log read in bounded pieces, each answered with a snapshot to draw."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from core.runs import lock
from core.runs.events import Event, EventReader
from core.runs.history import RunHistory, Series
from core.runs.run import Run
from core.runs.state import TERMINAL

LOGS_SHOWN = 200
_PACE_OVER = 40
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Snapshot:
    """A run as it was read so far.

    `state` is a run's state, or "stopping". `points` has what is new in each series since the last
    snapshot; when `fresh`, it replaces what was drawn before. `elapsed` and `remaining` are
    seconds, `remaining` None when nothing tells. `behind` says that the log goes on.
    """

    run: str
    dataset: str | None
    model: str | None
    state: str
    alive: bool
    behind: bool
    fresh: bool
    plan: Event
    step: int
    epoch: int
    metrics: dict[str, float]
    logs: tuple[str, ...]
    error: dict[str, str] | None
    result: Event | None
    examples_per_second: float | None
    elapsed: float | None
    remaining: float | None
    points: dict[str, Series] = field(default_factory=dict)


class Follower:
    """Reads one run's log on and on. `advance` may be called from any one thread at a time."""

    def __init__(self, run: Run, *, clock: Callable[[], float] = time.time) -> None:
        self.run = run
        self._clock = clock
        self._reader = EventReader(run.events_path)
        self._history = RunHistory()
        self._given: dict[str, int] = {}
        self._fresh = True
        self._worked = 0.0
        self._since: float | None = None
        self._last = 0.0
        self._pace: deque[tuple[float, int]] = deque(maxlen=_PACE_OVER)
        self._state = run.state()
        self._looked = time.monotonic()

    def advance(self, seconds: float) -> Snapshot:
        """Read on for about so many seconds, or to the end of the log as it is now."""
        until = time.monotonic() + seconds
        # Looked at before the log: a run that ends in between is then seen as alive once more, and
        # not as interrupted.
        alive = lock.held(self.run.lock_path)
        behind = True
        while behind and time.monotonic() < until:
            piece = self._reader.read()
            behind = bool(piece)
            for event in piece:
                self._feed(event)
        return self._snapshot(alive, behind)

    def _feed(self, event: Event) -> None:
        name, at = event["event"], event["time"]
        if name == "state" and event["state"] == "running":
            self._since = at
            self._pace.clear()
        elif name == "state" and event["state"] != "stopping" and self._since is not None:
            # "queued" after a kill: that process worked until its last word.
            self._worked += max(
                0.0, (self._last if event["state"] == "queued" else at) - self._since
            )
            self._since = None
        elif name == "step":
            self._pace.append((at, event["step"]))
        elif name == "resumed":
            self._fresh = True
            self._given.clear()
            self._pace.clear()
        self._last = at
        self._history.feed(event)

    def _snapshot(self, alive: bool, behind: bool) -> Snapshot:
        told = self._history
        state, error = told.state, told.error
        if behind or (not alive and state not in TERMINAL):
            # Only the run can tell how a log goes on, or why it ends without a last word.
            if time.monotonic() - self._looked > _POLL_SECONDS or not behind:
                self._state = self.run.state()
                self._looked = time.monotonic()
            state, error = self._state.state, self._state.error
        elif alive and told.stopping:
            state = "stopping"
        points = self._new_points()
        fresh, self._fresh = self._fresh, False
        return Snapshot(
            run=self.run.id,
            dataset=self._state.dataset,
            model=str((told.result or {}).get("model") or self._state.model or "") or None,
            state=state,
            alive=alive and state not in TERMINAL,
            behind=behind,
            fresh=fresh,
            plan=told.plan,
            step=told.step,
            epoch=told.epoch,
            metrics=told.metrics,
            logs=tuple(told.logs[-LOGS_SHOWN:]),
            error=error,
            result=told.result,
            examples_per_second=told.examples_per_second,
            elapsed=self._elapsed(alive),
            remaining=self._remaining() if alive and not behind else None,
            points=points,
        )

    def _new_points(self) -> dict[str, Series]:
        new = {}
        for name, (steps, values) in self._history.series.items():
            given = self._given.get(name, 0)
            if len(steps) > given:
                new[name] = Series(steps[given:], values[given:])
                self._given[name] = len(steps)
        return new

    def _elapsed(self, alive: bool) -> float | None:
        if self._since is None:
            return self._worked or None
        return self._worked + max(0.0, (self._clock() if alive else self._last) - self._since)

    def _remaining(self) -> float | None:
        steps = self._history.plan.get("steps")
        if not steps or len(self._pace) < 2:
            return None
        (first_at, first), (last_at, last) = self._pace[0], self._pace[-1]
        if last_at <= first_at or last <= first:
            return None
        return float(max(0, steps - last)) * (last_at - first_at) / (last - first)
