"""What a kind's own module is given to work with."""

from __future__ import annotations

import os
import select
import threading
from typing import Any

from core.runs.events import EventWriter
from core.runs.run import Run
from core.workspace import Workspace


class Stopped(Exception):  # noqa: N818 - a wish obeyed is no error
    """Raised by a job that was asked to stop and has saved what it wants to keep."""


class Job:
    """The run that this process works on, as the module of its kind sees it.

    The module offers `run(job: Job) -> None`. It emits what happens, looks at `should_stop()` after
    every step, and when that is true saves and returns (or raises `Stopped`). A job that has
    emitted `result` has done all its work and is finished, asked to stop or not.
    """

    def __init__(self, run: Run, events: EventWriter) -> None:
        self.run = run
        self.has_result = False
        self._events = events
        self._stop = threading.Event()
        # A signal's handler may write to a pipe wherever it finds us; an event that this same
        # thread waits for is not safe to set there.
        self._waker, self._bell = os.pipe()

    @property
    def spec(self) -> dict[str, Any]:
        """What was asked: the `spec` that the run was created with."""
        return self.run.spec

    @property
    def workspace(self) -> Workspace:
        return self.run.workspace

    def emit(self, event: str, **fields: Any) -> None:
        """Record an event, from any thread.

        Raises:
            LeptonError: the event log cannot be written.
        """
        self._events.write(event, **fields)
        self.has_result = self.has_result or event == "result"

    def should_stop(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        self._stop.set()
        os.write(self._bell, b"!")

    def wait(self, seconds: float) -> bool:
        """Sleep until the time has passed, or somebody asks the run to stop: whether they did."""
        if not self.should_stop():
            select.select([self._waker], [], [], seconds)
        return self.should_stop()
