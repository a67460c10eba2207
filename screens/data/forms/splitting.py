"""A split as a person asks for it: the ways there are, the request, and the plan it comes to."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from core.data.lake.lake import Lake
from core.data.lake.steps import not_placed
from core.data.splitting.split import How, Plan, planned
from core.errors import Cancelled
from screens.text import human_count, percent, plain

WAYS = {
    "stratified": "stratified: each class keeps its share",
    "random": "random: by chance alone",
    "group": "by group: equal values stay together",
    "time": "by time: the oldest rows train, the newest test",
    "hash": "by hash: a row's part stays as rows are added",
    "folds": "k-fold: a number for each round of cross-validation",
}
ARGUMENTS = {
    "stratified": ("by", "validation", "test", "seed"),
    "random": ("validation", "test", "seed"),
    "group": ("group", "by", "validation", "test", "seed"),
    "time": ("time", "validation", "test"),
    "hash": ("hash", "validation", "test", "seed"),
    "folds": ("folds", "fold", "group", "by", "seed"),
}
"""What `core.data.splitting.split.planned` is told for each way."""
SHOWN_FOLDS = 20


@dataclass(frozen=True)
class SplitRequest:
    """A split of the version `ref`."""

    ref: str
    how: How

    def shell_command(self) -> str:
        words = ["lepton", "data", "split", self.ref]
        for name, value in self.how.items():
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return shlex.join(words)


class Planner:
    """Plans for the newest request, and remembers the last plan."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._newest: SplitRequest | None = None
        self._last: tuple[SplitRequest, Plan] | None = None

    def plan(self, request: SplitRequest) -> Plan:
        """In a thread: who would go where; nothing is kept.

        Raises:
            UsageError, LeptonError: as `core.data.splitting.split.planned`.
            Cancelled: there is a newer request.
        """
        self._newest = request
        with self._lock:
            if self._last is not None and self._last[0] == request:
                return self._last[1]
            if self._newest is not request:
                raise Cancelled("another split was asked for")
            plan = planned(self._lake, request.ref, **request.how)
            self._last = (request, plan)
            return plan


def counts_line(counts: Mapping[str, int], *, folds: bool) -> Text:
    """How many rows each part gets, with its share; or each fold."""
    if folds:
        shown = [f"fold {name} {human_count(rows)}" for name, rows in counts.items()]
        more = [f"and {len(shown) - SHOWN_FOLDS} more"] if len(shown) > SHOWN_FOLDS else []
        return Text(" · ".join([*shown[:SHOWN_FOLDS], *more]))
    whole = sum(counts.values()) or 1
    said = Text()
    for name, rows in counts.items():
        said.append(f"{'   ' if said else ''}{name} ")
        said.append(human_count(rows), "bold")
        said.append(f" {percent(rows / whole)}", "dim")
    return said


def not_placed_line(params: Mapping[str, Any]) -> Text:
    """A line of its own on the rows that train for want of a time or value; empty for none."""
    note = not_placed(params)
    return Text(f"\n! {plain(note)}", "yellow") if note else Text()


def numbers_folds(params: Mapping[str, Any]) -> bool:
    """Whether a split, by its parameters, only numbered folds."""
    return params["way"] == "folds" and params["fold"] is None
