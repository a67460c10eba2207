"""What a person asks of a training while it runs: another learning rate, a checkpoint now.

A request is a line of JSON appended to the run's `requests.jsonl`. The run looks there now and
then, and records as an event what it did and at which step; a resumed run does the same at the
same step again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.errors import LeptonError, UsageError
from core.runs.events import Event
from core.runs.run import Run

FILE = "requests.jsonl"
OBEYED = "obeyed"
"""The event that says a request was met: its `request` (number, from 0), `step`, and the wish."""


def ask(run: Run, **wish: Any) -> None:
    """Ask a run that is alive for `lr=0.001` or `checkpoint=True`.

    Raises:
        UsageError: the run is no training, or is not running.
        LeptonError: its folder cannot be written.
    """
    if run.kind != "train":
        raise UsageError(f"{run.id} is no training", hint="Only a training takes requests.")
    if (state := run.state().state) != "running":
        hint = (
            f"Train again with what you want: lepton train --config {run.id} KEY=VALUE"
            if state == "finished"
            else f"Go on with it first: lepton runs resume {run.id}"
        )
        raise UsageError(f"{run.id} is {state}", hint=hint)
    try:
        with (run.path / FILE).open("ab") as file:
            file.write(json.dumps(wish).encode() + b"\n")
    except OSError as error:
        raise LeptonError(
            f"the request cannot be written: {error.strerror}", where=str(run.path / FILE)
        ) from error


class Requests:
    """The requests of one run, from the first that was not met before."""

    def __init__(self, path: Path, events: Iterable[Event] = ()) -> None:
        self._path = path / FILE
        self._size = 0
        met = [event for event in events if event["event"] == OBEYED]
        self._next = 1 + max((event["request"] for event in met), default=-1)
        self.rates = {event["step"]: float(event["lr"]) for event in met if "lr" in event}
        """Learning rates that were asked for, by the step from which they hold."""

    def new(self) -> list[tuple[int, dict[str, Any]]]:
        """Requests that came since, each with its number; costs one look at the file's size."""
        try:
            size = os.stat(self._path).st_size  # noqa: PTH116 - four times a second in the loop
        except OSError:
            return []
        if size == self._size:
            return []
        self._size = size
        lines = self._path.read_bytes().split(b"\n")[:-1]
        found = [(at, _read(lines[at])) for at in range(self._next, len(lines))]
        self._next = max(self._next, len(lines))
        return [(at, wish) for at, wish in found if wish]


def _read(line: bytes) -> dict[str, Any]:
    try:
        wish = json.loads(line)
    except ValueError:
        return {}
    return wish if isinstance(wish, dict) else {}
