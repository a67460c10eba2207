"""A run: a folder that says what was asked and what happened, and the process that works on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import uuid4

from core.errors import LeptonError, UsageError
from core.runs import lock
from core.runs.detached import detached
from core.runs.events import Event, EventReader, EventWriter
from core.runs.history import RunHistory, history
from core.runs.notes import read_notes
from core.runs.queue import Queue, Turn, awaited
from core.runs.queue_devices import Devices
from core.runs.state import TERMINAL, RunState, Summary, summary
from core.workspace import Workspace

LOCK_VARIABLE = "LEPTON_RUN_LOCK"
DEVICE_VARIABLE = "LEPTON_RUN_DEVICE"
"""The devices that are the run's, and the descriptors that hold them: `cuda:0=7,cuda:1=8`."""
WORKER, WAITER = "core.runs.worker", "core.runs.queue_worker"
_POLL = 0.02
_FOUND_WITHIN = 5.0
_LEAVES_WITHIN = 10.0


class Run:
    """One run. Making the object starts nothing and reads only `run.json`.

    Raises:
        LeptonError: the folder is not a run.
    """

    def __init__(self, path: Path, workspace: Workspace) -> None:
        self.path = path
        self.workspace = workspace
        try:
            self.info: dict[str, Any] = json.loads((path / "run.json").read_text())
            self.id: str = self.info["id"]
            self.kind: str = self.info["kind"]
            self.created: str = self.info["created"]
            self.spec: dict[str, Any] = self.info["spec"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LeptonError("this is not the folder of a run", where=str(path)) from error

    @property
    def events_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """What the process printed: tracebacks, warnings of libraries."""
        return self.path / "log"

    @property
    def lock_path(self) -> Path:
        return self.path / "lock"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def together(self) -> int:
        """How many devices work on it together: as it was last launched, or as was asked."""
        return summary(self.events_path)[0].together or int(self.info.get("devices") or 1)

    @property
    def moved(self) -> str | None:
        """The device that a person has named since it was asked for."""
        return summary(self.events_path)[0].moved

    @property
    def wanted(self) -> str | None:
        """The device it is to wait for: as a person said last."""
        return self.moved or self.info.get("device")

    def launch(self, devices: int | None = None, device: str | None = None) -> None:
        """Start the run, or resume it, in a detached process that outlives this one.

        Where its devices are not free (`queue.awaited`) the process waits for them first. `devices`
        is another number of them from now on, `device` another one.

        Raises:
            LeptonError: it is running or waiting already, or no process can be started.
            UsageError: it has finished.
        """
        with self._locked() as held:
            if held is None:
                waits = self._place() is not None
                raise LeptonError(
                    "the run waits in the queue already" if waits else "the run is running already",
                    where=self.id,
                    hint=f"Watch it: lepton runs attach {self.id}",
                )
            if summary(self.events_path)[0].finished:
                raise UsageError("the run has finished", where=self.id, hint="Start a new one.")
            with EventWriter(self.events_path) as events, self.log_path.open("ab") as log:
                asked = {"devices": devices, "moved": device}
                changed = {key: value for key, value in asked.items() if value is not None}
                events.write("state", state="queued", log=log.tell(), **changed)
                try:
                    process = self._start(held, log.fileno())
                except LeptonError as error:
                    events.write("state", state="failed", error=error.to_json())
                    raise
            lock.write_pid(held, process.pid)

    def _start(self, held: int, log: int) -> subprocess.Popen[bytes]:
        """The process that works on it, or that waits for its device."""
        together = self.together
        devices = awaited(self.wanted, self.info.get("queue"), _accelerators, together)
        if devices is None:
            return self._process_of(WORKER, held, log)
        self._queue.enter(self.id, devices, together)
        # Whether one that has failed answers again takes seconds: not here.
        known = Devices()
        sure = all(known.blamed(each) is None for each in devices)
        turn = self._queue.claim(self.id) if sure else None
        try:
            return self._process_of(WORKER if turn else WAITER, held, log, turn)
        except LeptonError:
            self._queue.leave(self.id)
            raise
        finally:
            if turn is not None:
                turn.let_go()

    def _process_of(
        self, module: str, held: int, log: int, turn: Turn | None = None
    ) -> subprocess.Popen[bytes]:
        variables = {"LEPTON_HOME": str(self.workspace.home), LOCK_VARIABLE: str(held)}
        if turn is not None:
            variables[DEVICE_VARIABLE] = turn.to_text()
        return detached(
            module,
            [str(self.path)],
            folder=self.path,
            log=log,
            name=self.id,
            variables=variables,
            keeps=(held, *(turn.descriptors if turn else ())),
        )

    def state(self) -> RunState:
        """What the event log and the lock say now; cheap enough to ask of hundreds of runs."""
        while True:
            told, size = summary(self.events_path)
            held = lock.held(self.lock_path)
            # A run may end between the two looks: a free lock counts for a log that did not grow.
            if held or told.state in TERMINAL or told.state is None:
                return self._state(told, held)
            if summary(self.events_path)[1] == size:
                return self._state(told, held)

    def _state(self, told: Summary, held: bool) -> RunState:
        state, error = told.state or "queued", told.error
        place = self._place() if told.state == "queued" and not told.stopping else None
        # One that waits and has no process will be given one (`Runs.revive`).
        if told.state and told.state not in TERMINAL and not held and place is None:
            ended = "stopped" if told.stopping else "interrupted"
            state = "finished" if told.finished else ended
        if state == "interrupted":
            error = self._last_words(told)
        alive = held and state not in TERMINAL
        notes = read_notes(self.path)
        return RunState(
            id=self.id,
            kind=self.kind,
            state=state,
            pid=lock.read_pid(self.lock_path) if alive else None,
            # What was read, once that is known: rows that are not split become a new version.
            dataset=told.plan.get("dataset") or self.info.get("dataset"),
            model=told.result.get("model") or self.info.get("model"),
            device=told.device or told.plan.get("device"),
            epoch=told.progress.get("epoch"),
            step=told.progress.get("step"),
            epochs=told.plan.get("epochs"),
            steps=told.plan.get("steps") or told.progress.get("steps"),
            metrics=dict(told.metrics),
            error=error,
            created=self.created,
            started=told.started,
            ended=told.ended or (told.last if state == "finished" else None),
            remaining=told.remaining if alive and place is None and not told.paused else None,
            note=notes.note,
            tags=notes.tags,
            place=place,
            metric=told.plan.get("metric") or told.result.get("metric"),
            seconds=told.seconds,
            ended_by=told.result.get("ended_by"),
            paused=told.paused if alive else None,
        )

    @property
    def _queue(self) -> Queue:
        return Queue(self.workspace)

    def _place(self) -> int | None:
        """The place in the queue; None when it is not in it, or nobody can tell."""
        try:
            return self._queue.place(self.id)
        except LeptonError:
            return None

    def _last_words(self, told: Summary) -> dict[str, str]:
        what = "the process ended in the middle of its work"
        if told.state == "queued":
            what = "the process ended before its work began"
        lines = self.log_tail(since=told.log_offset).splitlines()
        return LeptonError(
            f"{what}; it last printed: {lines[-1].strip()}" if lines else what,
            where=str(self.log_path),
            hint="Resume the run to go on from its last checkpoint.",
        ).to_json()

    def log_tail(self, *, size: int = 16 * 1024, since: int = 0) -> str:
        """The end of what the process printed: `size` bytes at most, none before `since`."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(since, log.seek(0, os.SEEK_END) - size))
                return log.read().decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return ""

    def stop(self, *, wait: float | None = 30.0, now: bool = False) -> RunState:
        """Ask the run to stop after the step it is at and to save; wait `wait` seconds for its end.

        Asked again, it ends at once without saving. With `now` the process and its children are
        killed; the last checkpoint stays. With `wait=None` the wait has no bound, with 0 there is
        none. A run that was never launched is marked stopped. The state that is returned is still
        running when the wait was too short.

        Raises:
            UsageError: the run is not alive.
            LeptonError: its process cannot be reached from this machine or by this person.
        """
        with self._locked() as held:
            if held is not None:
                state = self._state(summary(self.events_path)[0], held=False)
                if state.state != "queued":
                    raise UsageError(f"the run is not running, it is {state.state}", where=self.id)
                with EventWriter(self.events_path) as events:
                    events.write("state", state="stopped")
                self._queue.leave(self.id)
                return self.state()
        pid = self._process()
        if pid is not None:
            with EventWriter(self.events_path) as events:
                events.write("state", state="stopping")
            try:
                if now and os.getpgid(pid) == pid:
                    os.killpg(pid, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGKILL if now else signal.SIGTERM)
            except ProcessLookupError:
                pass
            except PermissionError as error:
                raise LeptonError("the run is another person's", where=self.id) from error
        state = self.wait(wait)
        if state.state == "stopped":
            # A process that was killed as it waited could not leave the queue itself.
            self._queue.leave(self.id)
        return state

    def _process(self) -> int | None:
        """The process that holds the lock, made sure of; None when it has just ended."""
        import psutil

        deadline = time.monotonic() + _FOUND_WITHIN
        while lock.held(self.lock_path):
            pid = lock.read_pid(self.lock_path)
            # The number alone may name another machine's process, or ours before it is the worker.
            with suppress(psutil.Error, IndexError):
                process = psutil.Process(pid) if pid else None
                if process and Path(process.cmdline()[-1]).name == self.id:
                    return pid
            if time.monotonic() > deadline:
                raise LeptonError(
                    "the run's process is not to be found here",
                    where=f"{self.id}, process {pid}",
                    hint="Stop it on the machine that launched it.",
                )
            time.sleep(_POLL)
        return None

    def wait(self, timeout: float | None = None) -> RunState:
        """Wait until no process works on the run, or `timeout` seconds have passed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while lock.held(self.lock_path) and (deadline is None or time.monotonic() < deadline):
            time.sleep(_POLL)
        return self.state()

    def remove(self) -> None:
        """Delete the run's folder.

        Raises:
            UsageError: the run is alive.
        """
        with self._locked() as held:
            if held is None:
                raise UsageError("the run is running", where=self.id, hint="Stop it first.")
            self._queue.leave(self.id)
            gone = self.workspace.tmp / f"{self.id}.{uuid4().hex[:8]}"
            self.path.rename(gone)
        rmtree(gone, ignore_errors=True)

    def events(
        self, *, follow: bool = False, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """Every event so far; with `follow` those to come too, until the process ends or `stop`."""
        reader = EventReader(self.events_path)
        stop = stop or threading.Event()
        alive = True
        while alive and not stop.is_set():
            alive = follow and lock.held(self.lock_path)
            while not stop.is_set() and (piece := reader.read()):
                yield from piece
            if alive:
                stop.wait(_POLL)

    def history(self) -> RunHistory:
        """What the events so far amount to."""
        return history(self.events())

    @contextmanager
    def _locked(self) -> Iterator[int | None]:
        """The run's lock, so that nobody else launches or removes it; None when it is alive.

        A process that has told how it ended is waited for while it leaves.
        """
        deadline = time.monotonic() + _LEAVES_WITHIN
        try:
            while (descriptor := lock.take(self.lock_path)) is None:
                ended = summary(self.events_path)[0].state in TERMINAL
                if not ended or time.monotonic() > deadline:
                    break
                time.sleep(_POLL)
        except FileNotFoundError:
            raise UsageError("there is no such run any more", where=self.id) from None
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _accelerators() -> list[str] | None:
    from core.devices.facts import accelerators

    return accelerators()
