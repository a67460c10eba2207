"""Following a run: its event log read in bounded pieces, each answered with a snapshot to draw."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from core.runs import lock
from core.runs.events import Event
from core.runs.reading import HistoryReader
from core.runs.run import Run
from core.runs.series import Points
from core.runs.state import TERMINAL, RunState

LOGS_SHOWN = 200
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Snapshot:
    """A run as it was read so far.

    `state` is a run's state, "stopping" or "paused". `curves` has the series that are not as they
    were last taken, each as a whole, and `changes` how often each had changed. `elapsed` and
    `remaining` are seconds, `remaining` None when nothing tells. `behind` says that the log goes
    on.
    """

    run: str
    kind: str
    dataset: str | None
    model: str | None
    state: str
    alive: bool
    behind: bool
    plan: Event
    step: int
    epoch: int
    metrics: dict[str, float]
    logs: tuple[str, ...]
    samples: tuple[Event, ...]
    error: dict[str, str] | None
    result: Event | None
    waiting: Event | None
    examples_per_second: float | None
    elapsed: float | None
    remaining: float | None
    curves: dict[str, Points] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        """Whether there may be more to read of the run."""
        return self.alive or self.behind


class Follower:
    """Reads one run's log on and on.

    `advance` is called from threads, whose answers may be dropped: a curve counts as given when who
    draws it says so with `took`.
    """

    def __init__(self, run: Run, *, clock: Callable[[], float] = time.time) -> None:
        self.run = run
        self._clock = clock
        self._reader = HistoryReader(run)
        self._one_at_a_time = Lock()
        self._given: dict[str, int] = {}
        self._state: RunState | None = None
        self._looked = 0.0

    @property
    def offset(self) -> int:
        """The bytes of the log that were read."""
        return self._reader.offset

    def took(self, seen: Snapshot) -> None:
        """The curves of a snapshot are drawn."""
        self._given = {**self._given, **seen.changes}

    def give_again(self) -> None:
        """Give every curve with the next snapshot, as if none had been taken."""
        self._given = {}

    def advance(self, seconds: float) -> Snapshot:
        """Read on for about so many seconds, or to the end of the log as it is now."""
        with self._one_at_a_time:
            return self._advance(time.monotonic() + seconds)

    def _advance(self, until: float) -> Snapshot:
        # Looked at before the log: a run that ends in between is then seen as alive once more, and
        # not as interrupted.
        alive = lock.held(self.run.lock_path)
        behind = True
        while behind and time.monotonic() < until:
            behind = self._reader.read()
        return self._snapshot(alive, behind)

    def _snapshot(self, alive: bool, behind: bool) -> Snapshot:
        told = self._reader.history
        state, error = told.state, told.error
        if behind or (not alive and state not in TERMINAL):
            # Only the run can tell how a log goes on, or why it ends without a last word.
            known = self._run_state(again=not behind)
            state, error = known.state, known.error
        elif alive and told.stopping:
            state = "stopping"
        elif alive and told.paused:
            state = "paused"
        given = self._given
        changed = {
            name: series
            for name, series in told.series.items()
            if given.get(name) != series.changes
        }
        return Snapshot(
            run=self.run.id,
            kind=self.run.kind,
            # Rows that had to be split are those of another version.
            dataset=told.plan.get("dataset") or self.run.info.get("dataset"),
            model=str((told.result or {}).get("model") or self.run.info.get("model") or "") or None,
            state=state,
            alive=alive and state not in TERMINAL,
            behind=behind,
            plan=told.plan,
            step=told.step,
            epoch=told.epoch,
            metrics=told.metrics,
            logs=tuple(told.logs[-LOGS_SHOWN:]),
            samples=tuple(told.samples),
            error=error,
            result=told.result,
            waiting=told.waiting,
            examples_per_second=told.examples_per_second,
            elapsed=told.elapsed(self._clock() if alive else None),
            remaining=told.remaining() if alive and not behind else None,
            curves={name: series.points() for name, series in changed.items()},
            changes={name: series.changes for name, series in changed.items()},
        )

    def _run_state(self, *, again: bool) -> RunState:
        """The run's own word on its state, a moment old unless it is asked `again`."""
        now = time.monotonic()
        if self._state is None or again or now - self._looked > _POLL_SECONDS:
            self._state, self._looked = self.run.state(), now
        return self._state
