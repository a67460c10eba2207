"""The numbers of a run, one by one: every record that counts, however long the run is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from core.runs.run import Run

_NOT_NUMBERS = frozenset({"time", "event", "step", "epoch"})


class Record(NamedTuple):
    """What was recorded at a step (or at the end of an epoch); `time` is in Unix seconds."""

    time: float
    step: int
    epoch: int | None
    numbers: dict[str, float]


def records(run: Run) -> Iterator[Record]:
    """Every record in order, but those that a resumed run took back and did again.

    The log is read twice, and never held as a whole.
    """
    taken_back = _taken_back(run)
    for at, event in enumerate(run.events()):
        while taken_back and taken_back[0][0] <= at:
            taken_back.pop(0)
        if event["event"] not in ("step", "epoch"):
            continue
        if taken_back and event["step"] > taken_back[0][1]:
            continue
        given = event.get("metrics", {}) if event["event"] == "epoch" else event
        numbers = {
            name: float(value)
            for name, value in given.items()
            if name not in _NOT_NUMBERS and isinstance(value, int | float)
        }
        yield Record(event["time"], event["step"], event.get("epoch"), numbers)


def _taken_back(run: Run) -> list[tuple[int, int]]:
    """Where the run was resumed, and the lowest step that it or a later one went back to."""
    resumed = [
        (at, event["step"]) for at, event in enumerate(run.events()) if event["event"] == "resumed"
    ]
    lowest: list[tuple[int, int]] = []
    for at, step in reversed(resumed):
        lowest.append((at, min(step, lowest[-1][1] if lowest else step)))
    return lowest[::-1]
