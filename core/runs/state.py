"""What a listing says of a run, found in its log without parsing the whole of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.runs.events import Event, all_events, last_event

TERMINAL = frozenset({"finished", "failed", "stopped"})


@dataclass(frozen=True)
class RunState:
    """A run as it is now.

    `state` is queued, running, finished, failed, stopped or interrupted. `pid` is the process while
    it lives. `created` is ISO 8601 in UTC; `started` and `ended` are Unix seconds. `epochs` and
    `steps` are the totals that were planned. `error` has `what`, `where` and `hint` when the run
    failed or was interrupted.
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

    def to_json(self) -> dict[str, Any]:
        """The keys of `lepton runs ls --json`, in the order of the listing."""
        return asdict(self)


@dataclass(frozen=True)
class Summary:
    """What the event log alone tells.

    `state` is the last one recorded, None before the first; `stopping` says that somebody asked the
    run to stop since then. `log_offset` is where the last launch begins in `log`, in bytes.
    """

    state: str | None = None
    stopping: bool = False
    log_offset: int = 0
    plan: Event = field(default_factory=dict)
    progress: Event = field(default_factory=dict)
    result: Event = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    error: dict[str, str] | None = None
    started: float | None = None
    ended: float | None = None


def summary(path: Path) -> tuple[Summary, int]:
    """The summary of an event log, and the size in bytes of the log it was made from."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return Summary(), 0
    return _summary(path, size), size


@lru_cache(maxsize=1024)
def _summary(path: Path, size: int) -> Summary:
    # Searching bytes goes at gigabytes a second; parsing every line of a long log would not.
    with path.open("rb") as file:
        content = file.read(size)
    states = all_events(content, "state")
    reached = [state for state in states if state["state"] != "stopping"]
    last: Event = reached[-1] if reached else {}
    resumed = last_event(content, "resumed")
    result = _event(content, "result")
    return Summary(
        state=last.get("state"),
        stopping=states[-1:] != reached[-1:],
        log_offset=next((s["log"] for s in reversed(reached) if s["state"] == "queued"), 0),
        plan=_event(content, "plan"),
        progress=_progress(content, resumed),
        result=result,
        metrics=result.get("metrics") or _metrics(content, resumed),
        error=last.get("error"),
        started=next((s["time"] for s in reached if s["state"] == "running"), None),
        ended=last["time"] if last.get("state") in TERMINAL else None,
    )


def _event(content: bytes, name: str) -> Event:
    found = last_event(content, name)
    return found[1] if found else {}


def _progress(content: bytes, resumed: tuple[int, Event] | None) -> Event:
    places = [last_event(content, "step"), last_event(content, "epoch"), resumed]
    return max((place for place in places if place), key=lambda place: place[0], default=(0, {}))[1]


def _metrics(content: bytes, resumed: tuple[int, Event] | None) -> dict[str, float]:
    """Of the last epoch that counts: a resumed run takes back what came after its step."""
    found = last_event(content, "epoch")
    while found and resumed and found[0] < resumed[0] and found[1]["step"] > resumed[1]["step"]:
        found = last_event(content, "epoch", end=found[0])
    return found[1].get("metrics", {}) if found else {}
