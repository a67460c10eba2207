"""What a kind's own module is given to work with."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from typing import Any

from core.errors import LeptonError
from core.runs.events import EventWriter
from core.runs.queue import Turn
from core.runs.queue_devices import Devices
from core.runs.run import Run
from core.workspace import Workspace


class Stopped(Exception):  # noqa: N818 - a wish obeyed is no error
    """Raised by a job that was asked to stop and has saved what it wants to keep."""


def keep(lock: int) -> None:
    """Hold a lock for as long as this process lives, and no longer.

    A forked child (a data loader's) that outlives it must not make it look alive.
    """
    os.register_at_fork(after_in_child=lambda: os.close(lock))


class Job:
    """The run that this process works on, as the module of its kind sees it.

    The module offers `run(job: Job) -> None`. It emits what happens, looks at `should_stop()` after
    every step, and when that is true saves and returns (or raises `Stopped`). A job that has
    emitted `result` has done all its work and is finished, asked to stop or not.
    """

    def __init__(self, run: Run, events: EventWriter, turn: Turn | None = None) -> None:
        self.run = run
        self.device = turn.device if turn else None
        """The device that the queue gave it, where it had to wait for one; the first of several."""
        self.works_on = self.device
        """The device that it says it works on, the first of several; None before it has said so."""
        self._given = turn.devices if turn else ()
        for descriptor in turn.descriptors if turn else ():
            keep(descriptor)
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

    def join(self, device: str) -> None:
        """Say that it works on a device; those who wait for it wait for this run's end too."""
        self.works_on = self.works_on or device
        if device not in self._given:
            # Nobody is kept from working because nobody can be told.
            with suppress(LeptonError, OSError):
                keep(Devices().join(device, self.run.path))

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
