"""The process of a run that waits: `python -P -m core.runs.queue_worker RUN_FOLDER`.

Started by `Run.launch` when the run's device is not free. When the turn has come it becomes the
run's worker: the same process, with the same lock, and no library was loaded before.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from core.errors import DeviceFailedError, DiskFullError
from core.runs.events import EventWriter
from core.runs.job import Job, Stopped
from core.runs.queue import Queue, Standing, Turn, awaited
from core.runs.queue_devices import Devices
from core.runs.run import DEVICE_VARIABLE, LOCK_VARIABLE, WORKER, Run
from core.runs.worker import elsewhere, explain, hold, obey_signals
from core.workspace import Workspace

LOOK_SECONDS = 1.0


def main() -> int:
    """Wait, and become the worker. 0: it was stopped before, 1: it could not wait."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    faulthandler.enable()
    run = Run(Path(sys.argv[1]).absolute(), Workspace.open())
    held = hold(run)
    with EventWriter(run.events_path) as events:
        job = Job(run, events)
        obey_signals(job, events)
        try:
            turn = wait(job)
        except Stopped:
            events.write("state", state="stopped")
            return 0
        except Exception as error:
            traceback.print_exc()
            events.write("state", state="failed", error=explain(error, run).to_json())
            return 1
    work(run, held, turn)
    return 1


def wait(job: Job) -> Turn | None:
    """Wait for a device; None when the run turns out to need none.

    From its return on, signals are kept for the worker.

    Raises:
        Stopped: somebody asked the run to stop, or took it out of the queue.
        LeptonError: the queue cannot be read or written, or torch does not load.
    """
    queue, run = Queue(job.workspace), job.run
    try:
        needs_one = _knows_devices(run, queue)
        turn = _turn(job, queue) if needs_one else None
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        if job.should_stop():
            raise Stopped
        return turn
    finally:
        queue.leave(run.id)


def _knows_devices(run: Run, queue: Queue) -> bool:
    """Find out for which devices it waits, where the launcher could not; whether for any."""
    standing = queue.standing(run.id)
    if standing is None or standing.devices:
        return True
    from core.devices.facts import ask_torch

    together = run.together
    devices = awaited(run.wanted, run.info["queue"], ask_torch, together)
    if devices is None:
        return False
    queue.enter(run.id, devices, together)
    return True


def _turn(job: Job, queue: Queue) -> Turn:
    told: Standing | None = None
    seen: Standing | None = None
    while not job.should_stop():
        turn = None
        # Who waits for a device can wait for room on the disk as well.
        with suppress(DiskFullError):
            turn = queue.claim(job.run.id)
            standing = None if turn else queue.standing(job.run.id)
            if turn is None and standing is None:
                break
            # Between the end of a run and the start of the next one nobody is there for a moment.
            if standing and standing != told and (told is None or standing == seen):
                job.emit("waiting", **standing.to_json())
                told = standing
            seen = standing
        if turn is not None:
            if not (gone := [each for each in turn.devices if not works(each)]):
                return turn
            turn.let_go()
            pass_over(job, queue, turn, gone)
            continue
        job.wait(LOOK_SECONDS)
    raise Stopped


def works(device: str) -> bool:
    """Whether a device is there, and answers where it failed under a run before."""
    from core.devices.facts import accelerators
    from core.devices.failure import answers

    kind, devices = device.partition(":")[0], Devices()
    like_it = [each for each in accelerators() or () if each.partition(":")[0] == kind]
    if like_it and device not in like_it:
        return False
    if devices.blamed(device) is None:
        return True
    if found := answers(device):
        devices.forgive(device)
    return found


def pass_over(job: Job, queue: Queue, turn: Turn, gone: Sequence[str]) -> None:
    """Wait on for the devices that are left: it was its turn, so it stands first.

    Raises:
        DeviceFailedError: too few are left.
    """
    left, together = [each for each in turn.among if each not in gone], len(turn.devices)
    if len(left) < together:
        raise DeviceFailedError(
            f"{' and '.join(gone)} does not answer any more",
            where=job.run.id,
            hint=elsewhere(job.run),
        )
    job.emit("log", text=f"{' and '.join(gone)} does not answer: waiting for {' or '.join(left)}")
    queue.enter(job.run.id, left, together, first=True)


def work(run: Run, held: int, turn: Turn | None) -> None:
    """Become the worker, which inherits the locks; it does not return."""
    environment = {**os.environ, LOCK_VARIABLE: str(held)}
    os.set_inheritable(held, True)
    if turn is not None:
        for descriptor in turn.descriptors:
            os.set_inheritable(descriptor, True)
        environment[DEVICE_VARIABLE] = turn.to_text()
    os.execve(sys.executable, [sys.executable, "-P", "-m", WORKER, str(run.path)], environment)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
