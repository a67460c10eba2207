"""The process of a run: `python -P -m core.runs.worker RUN_FOLDER`, started by `Run.launch`."""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType

from core import memory
from core.devices.failure import failure, of_the_program
from core.errors import DeviceFailedError, LeptonError, UsageError
from core.runs import lock
from core.runs.events import EventWriter
from core.runs.job import Job, Stopped, keep
from core.runs.priority import step_back
from core.runs.queue import Turn
from core.runs.queue_devices import Devices
from core.runs.run import DEVICE_VARIABLE, LOCK_VARIABLE, Run
from core.workspace import Workspace

KINDS = {
    "import": "core.ingest",
    "train": "core.training.worker",
    "evaluate": "core.evaluation.worker",
    "predict": "core.inference.batch",
    "check": "core.evaluation.checking",
    "tune": "core.tuning.worker",
}


def main() -> int:
    """Work on the run whose folder is the argument; 0: it finished or stopped, 1: it failed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    faulthandler.enable()
    step_back(10)
    run = Run(Path(sys.argv[1]).absolute(), Workspace.open())
    hold(run)
    with EventWriter(run.events_path) as events:
        job = Job(run, events, turn())
        obey_signals(job, events)
        return work(job, events)


def hold(run: Run) -> int:
    """Keep the run's lock until the end: the launcher's, or our own when started by hand."""
    descriptor: int | None
    if inherited := os.environ.pop(LOCK_VARIABLE, None):
        descriptor = int(inherited)
        os.set_inheritable(descriptor, False)
    else:
        descriptor = lock.take(run.lock_path)
        if descriptor is None:
            raise LeptonError("the run is running already", where=run.id)
        lock.write_pid(descriptor, os.getpid())
    keep(descriptor)
    return descriptor


def turn() -> Turn | None:
    """The devices that this process was given, if it had to wait for some."""
    if not (inherited := os.environ.pop(DEVICE_VARIABLE, None)):
        return None
    given = Turn.from_text(inherited)
    for descriptor in given.descriptors:
        os.set_inheritable(descriptor, False)
    return given


def obey_signals(job: Job, events: EventWriter) -> None:
    """The first SIGTERM or SIGINT asks the job to stop, the second ends the process at once."""

    def stop(number: int, _: FrameType | None) -> None:
        if job.should_stop():
            try:
                events.write("state", state="stopped")
            finally:
                os._exit(128 + number)
        job.ask_to_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # A run that has waited was deaf from its turn until now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})


def work(job: Job, events: EventWriter) -> int:
    """Run the job and record how it ended; the exit code."""
    try:
        device = {"device": job.device} if job.device else {}
        events.write("state", state="running", pid=os.getpid(), started=_started(), **device)
        entry = importlib.import_module(_entry(job.run))
        entry.run(job)
        stopped = job.should_stop() and not job.has_result
    except Stopped:
        stopped = True
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        found = explain(error, job.run, job.works_on)
        events.write("state", state="failed", error=found.to_json())
        if isinstance(found, DeviceFailedError):
            blame(found)
            # What lies on a dead device cannot be taken down in order: that may hang or abort.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        return 1
    events.write("state", state="stopped" if stopped else "finished")
    return 0


def _entry(run: Run) -> str:
    entry = run.info.get("entry") or KINDS.get(run.kind)
    if entry is None:
        raise UsageError(f'no worker knows the kind "{run.kind}"', where=run.id)
    return str(entry)


def _started() -> float:
    import psutil

    return float(psutil.Process().create_time())


def explain(error: BaseException, run: Run, device: str | None = None) -> LeptonError:
    """What went wrong as a person reads it; the traceback is in the log."""
    if said := failure(error):
        return _failed(said, run, device)
    if isinstance(error, LeptonError):
        return error
    smaller = "Lower batch_size, or choose a smaller model."
    if isinstance(error, MemoryError):
        return LeptonError("the machine's memory is full", where=str(run.log_path), hint=smaller)
    if type(error).__name__ == "OutOfMemoryException":
        limit = f"{memory.limit() / 1e9:.1f}GB"
        return LeptonError(
            "the rows do not fit into the memory that may be used",
            where=str(run.log_path),
            hint=f"Set {memory.VARIABLE} higher than {limit}, and resume the run.",
        )
    if type(error).__name__ in ("OutOfMemoryError", "AcceleratorError"):
        return LeptonError("the device's memory is full", where=str(run.log_path), hint=smaller)
    lines = str(error).strip().splitlines()
    return LeptonError(
        f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__,
        where=str(run.log_path),
        hint="This is a fault of the program: the log has the traceback.",
    )


def _failed(said: str, run: Run, device: str | None) -> DeviceFailedError:
    """A device failed under the run: what is left of it, and how it goes on."""
    if of_the_program(said):
        what = f"a check on {device or 'the device'} ended the work: {said}"
        hint = f"A number is out of range; the processor says which. {elsewhere(run)}"
    else:
        what = f"{device or 'the device'} has failed: {said}"
        hint = "Look at it with lepton devices, then resume the run."
        if command := elsewhere(run):
            # The command first: a small screen has room for a line or two.
            hint = f"{command} (or here, once lepton devices shows it well)"
    error = DeviceFailedError(f"{what}{_kept(run)}", where=str(run.log_path), hint=hint.strip())
    error.device, error.said = None if of_the_program(said) else device, said
    return error


def _kept(run: Run) -> str:
    """What a training has saved whole: a checkpoint has its name only then."""
    if run.kind != "train":
        return ""
    steps = sorted(path.name.rpartition("-")[2] for path in run.checkpoints.glob("step-*"))
    return f"; step {int(steps[-1]):,} is saved" if steps else ""


def elsewhere(run: Run) -> str:
    """How a run that may change its device does so."""
    if run.kind != "train":
        return ""
    return f"Go on elsewhere: lepton runs resume {run.id} --device cpu"


def blame(error: DeviceFailedError) -> None:
    """Have those that wait for a device ask it first whether it answers again."""
    if error.device:
        with suppress(LeptonError, OSError):
            Devices().blame(error.device, error.said or error.what)


if __name__ == "__main__":
    sys.exit(main())
