"""Two sides, turn by turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Result:
    """One promise and what was found. `theirs` is None where the bar is in the unit of `ours`."""

    name: str
    ours: float
    theirs: float | None
    unit: str
    bar: float

    @property
    def found(self) -> float:
        """What is held against the bar."""
        return self.ours if self.theirs is None else self.ours / self.theirs

    @property
    def ok(self) -> bool:
        return self.found <= self.bar


def seconds(work: Callable[[], object]) -> float:
    """The wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(repeats: int, *sides: Callable[[], float]) -> list[float]:
    """The median of what each side measures, after one round that does not count."""
    rounds = [[side() for side in sides] for _ in range(repeats + 1)][1:]
    return [median(times) for times in zip(*rounds, strict=True)]
