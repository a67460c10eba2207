"""What a listing says of a run, found in its log without parsing the whole of it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from core.runs.events import Event, decode, first_event, last_event, placed_events

TERMINAL = frozenset({"finished", "failed", "stopped"})


@dataclass(frozen=True)
class RunState:
    """A run as it is now.

    `state` is queued, running, finished, failed, stopped or interrupted. `pid` is the process while
    it lives. `created` is ISO 8601 in UTC; `started` and `ended` are Unix seconds. `epochs` and
    `steps` are the totals that were planned. `place` is that in the queue, from 1, while it waits
    for a device. `error` has `what`, `where` and `hint` when the run
    failed or was interrupted. `remaining` are seconds to its end while it works. `note` and `tags`
    are what a person wrote about it. `metric` is the one that says how good it is, None before the
    run has told. `seconds` are those in which a process worked on it, up to the last word in its
    log: not those in which it waited, or lay stopped. `ended_by` is the setting that ended a
    training before its last epoch, or a search before its last trial: max_steps, max_time or
    patience. `paused` is why one that is running waits: its disk is full.
    """

    id: str
    kind: str
    state: str
    pid: int | None
    dataset: str | None
    model: str | None
    device: str | None
    epoch: int | None
    step: int | None
    metrics: dict[str, float]
    epochs: int | None
    steps: int | None
    error: dict[str, str] | None
    created: str
    started: float | None
    ended: float | None
    remaining: float | None = None
    note: str = ""
    tags: tuple[str, ...] = ()
    place: int | None = None
    metric: str | None = None
    seconds: float | None = None
    ended_by: str | None = None
    paused: str | None = None

    @property
    def standing(self) -> str:
        """The state as a person is told it: "paused" for one that waits in the middle."""
        return "paused" if self.paused else self.state

    def to_json(self) -> dict[str, Any]:
        """The keys of `lepton runs ls --json`, in the order of the listing."""
        return asdict(self)


@dataclass(frozen=True)
class Summary:
    """What the event log alone tells.

    `state` is the last one recorded, None before the first; `stopping` says that somebody asked the
    run to stop since then. `log_offset` is where the last launch begins in `log`, in bytes.
    `device` is the one that the queue gave this launch, `together` how many it was launched with
    where that was changed.
    `epochs` are the steps and metrics of the newest epochs, `speed` is in examples a second.
    """

    state: str | None = None
    stopping: bool = False
    log_offset: int = 0
    device: str | None = None
    together: int | None = None
    moved: str | None = None
    """The device that a person named when it was launched again."""
    plan: Event = field(default_factory=dict)
    progress: Event = field(default_factory=dict)
    speed: float | None = None
    result: Event = field(default_factory=dict)
    done: bool = False
    """Whether it has told its result since it was last launched: all its work is done."""
    epochs: tuple[tuple[int, dict[str, float]], ...] = ()
    error: dict[str, str] | None = None
    started: float | None = None
    ended: float | None = None
    last: float = 0.0
    """When the newest event was written."""
    worked: float = 0.0
    """Seconds that processes worked on it which have ended."""
    since: float | None = None
    """When the process began that works on it."""
    paused: str | None = None
    paced: Event = field(default_factory=dict)
    """The first step of what goes on without a break."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do; a full disk may have kept it from writing the last line,
        or a kill."""
        return self.state == "finished" or (self.done and self.state == "running")

    @property
    def seconds(self) -> float | None:
        """Seconds of work, to the last word; None before the first."""
        if self.since is None:
            return None if self.started is None else self.worked
        return self.worked + max(0.0, self.last - self.since)

    @property
    def metrics(self) -> dict[str, float]:
        """The result's, or else the last epoch's."""
        return self.result.get("metrics") or (self.epochs[-1][1] if self.epochs else {})

    @property
    def remaining(self) -> float | None:
        """Seconds to the last step, at the pace since it last began, or by its first record."""
        steps, speed = self.plan.get("steps"), self.speed
        if not steps or not self.paced:
            return None
        left, now = max(steps - self.progress["step"], 0), self.progress
        if (done := now["step"] - self.paced["step"]) > 0:
            return float(left * (now["time"] - self.paced["time"]) / done)
        if not (speed and self.plan.get("batch_size")):
            return None
        return float(left * self.plan["batch_size"] / speed)


@dataclass(frozen=True)
class _Searched:
    """A log as far as it was searched: to `end`, the last whole line of `size` bytes."""

    inode: int
    size: int
    end: int
    told: Summary


_PIECE = 8 * 1024 * 1024
_REMEMBERED = 4096
_searched: dict[Path, _Searched] = {}
_searched_lock = Lock()


def summary(path: Path) -> tuple[Summary, int]:
    """The summary of an event log, and the size in bytes of the log it was made from.

    What was searched once is not searched again: a log only grows.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return Summary(), 0
    known = _searched.get(path)
    if known is None or known.inode != found.st_ino or known.size > found.st_size:
        known = _Searched(found.st_ino, 0, 0, Summary())
    if known.size < found.st_size:
        known = _search_on(path, known, found.st_size)
        with _searched_lock:
            _searched.pop(path, None)
            _searched[path] = known
            while len(_searched) > _REMEMBERED:
                del _searched[next(iter(_searched))]
    return known.told, known.size


def _search_on(path: Path, known: _Searched, size: int) -> _Searched:
    """Searching bytes goes at gigabytes a second; parsing every line of a long log would not."""
    told, end = known.told, known.end
    with path.open("rb") as file:
        while end < size:
            content = os.pread(file.fileno(), min(size - end, _PIECE), end)
            whole = content.rfind(b"\n") + 1
            if not whole and len(content) == _PIECE:
                content = os.pread(file.fileno(), size - end, end)
                whole = content.rfind(b"\n") + 1
            if not whole:
                break
            told, end = _told_on(told, content[:whole]), end + whole
    return _Searched(known.inode, size, end, told)


def _told_on(told: Summary, content: bytes) -> Summary:
    """A summary with what some more whole lines say."""
    for at, state in placed_events(content, "state"):
        told = _in_state(replace(told, last=_last_time(content, at, told.last)), state)
    if pause := last_event(content, "paused"):
        over = any(at > pause[0] for at, _ in placed_events(content, "state"))
        told = replace(told, paused=None if over else pause[1]["why"])
    resumed = last_event(content, "resumed")
    step = last_event(content, "step")
    progress = max(
        (found for found in (step, last_event(content, "epoch"), resumed) if found),
        default=(-1, {}),
        key=lambda found: found[0],
    )
    broken = _last_break(content)
    paced = told.paced if broken is None else {}
    plan, result = last_event(content, "plan"), last_event(content, "result")
    launched = _last_launch(content)
    return replace(
        told,
        last=_last_time(content, len(content), told.last),
        plan=plan[1] if plan else told.plan,
        result=result[1] if result else told.result,
        done=result[0] > launched if result else told.done and launched < 0,
        progress=progress[1] or told.progress,
        speed=step[1].get("examples_per_second") if step else told.speed,
        paced=paced or first_event(content, "step", broken or 0) or {},
        epochs=_epochs(told.epochs, content),
    )


def _in_state(told: Summary, event: Event) -> Summary:
    state = event["state"]
    if state == "stopping":
        return replace(told, stopping=True)
    worked, since = told.worked, told.since
    if state == "running":
        since = event["time"]
    elif since is not None:
        # "queued" after a kill: that process worked until its last word.
        until = told.last if state == "queued" else event["time"]
        worked, since = worked + max(0.0, until - since), None
    return replace(
        told,
        state=state,
        stopping=False,
        log_offset=event.get("log", told.log_offset),
        device=None if state == "queued" else event.get("device", told.device),
        together=event.get("devices", told.together),
        moved=event.get("moved", told.moved),
        error=event.get("error"),
        started=told.started or (event["time"] if state == "running" else None),
        ended=event["time"] if state in TERMINAL else None,
        worked=worked,
        since=since,
        paused=None,
    )


def _last_launch(content: bytes) -> int:
    began = [at for at, event in placed_events(content, "state") if event["state"] == "queued"]
    return max(began, default=-1)


def _last_break(content: bytes) -> int | None:
    """Where a process began, a run stood still, or went back, for the last time."""
    began = [at for at, event in placed_events(content, "state") if event["state"] == "running"]
    others = [found[0] for each in ("resumed", "paused") if (found := last_event(content, each))]
    return max([*began, *others], default=None)


def _last_time(content: bytes, end: int, before: float) -> float:
    """The time of the last whole line that ends at `end`, or else the one before."""
    start = content.rfind(b"\n", 0, max(end - 1, 0)) + 1
    event = decode(content[start:end])
    return float(event["time"]) if event and "time" in event else before


def _epochs(
    known: tuple[tuple[int, dict[str, float]], ...], content: bytes
) -> tuple[tuple[int, dict[str, float]], ...]:
    """The epochs that count: a resumed run takes back what came after its step."""
    epochs = list(known)
    placed = [found for name in ("epoch", "resumed") for found in placed_events(content, name)]
    for _, event in sorted(placed, key=lambda found: found[0]):
        if event["event"] == "resumed":
            epochs = [each for each in epochs if each[0] <= event["step"]]
        else:
            epochs.append((event["step"], event.get("metrics", {})))
    return tuple(epochs[-_REMEMBERED:])
