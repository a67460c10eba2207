"""Work for the tests' runs; the spec says which."""

import atexit
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from core.devices import WITH_TORCH
from core.errors import LeptonError
from core.runs.job import Job, Stopped

FOREVER = threading.Event()


def one_step() -> None:
    """The work between two looks at `should_stop`."""
    FOREVER.wait(0.005)


def run(job: Job) -> None:
    globals()[job.spec["do"]](job)


def count(job: Job) -> None:
    job.emit("plan", task="t", architecture="a", device="cpu", steps=3, epochs=1, threads=1)
    for step in (1, 2, 3):
        job.emit("step", step=step, epoch=1, loss=1 / step, lr=0.1)
    job.emit("epoch", step=3, epoch=1, metrics={"val/accuracy": 0.5}, seconds=0.1)
    job.emit("result", model="digits@1", metrics={"val/accuracy": 0.75})


def until_stopped(job: Job) -> None:
    job.emit("step", step=1, epoch=1, loss=1.0)
    while not job.should_stop():
        one_step()
    job.emit("checkpoint", step=1, path="checkpoints/1", best=True)


def stopped_deep_inside(job: Job) -> None:
    job.emit("log", text="ready")
    while not job.should_stop():
        one_step()
    raise Stopped


def leaves_slowly(job: Job) -> None:
    """Has told its end while its process is there still, as one with a lot of memory is."""
    leave = job.run.path / "leave"
    if not leave.exists():
        atexit.register(wait_for, leave)
        stopped_deep_inside(job)


def wait_for(file: Path) -> None:
    while not file.exists():
        one_step()


def finishes_all_the_same(job: Job) -> None:
    job.emit("log", text="ready")
    while not job.should_stop():
        one_step()
    job.emit("result", metrics={"accuracy": 1.0})


def deaf(job: Job) -> None:
    job.emit("log", text="ready")
    while not job.should_stop():
        one_step()
    job.emit("log", text="asked")
    while True:
        one_step()


def fails(job: Job) -> None:
    raise LeptonError("the column has one class", where="label", hint="Choose another column.")


def has_no_room_for_its_last_line(job: Job) -> None:
    """Does its work, and fills the disk or what may be written of a file."""
    job.emit("result", model="digits@1", metrics={"val/accuracy": 0.75})
    if job.spec.get("limit"):
        size = job.run.events_path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return
    fill(job)


def fill(job: Job) -> None:
    """Leave no room on the disk of the run's folder, but for the last words in its log."""
    print("working", flush=True)
    with suppress(OSError), (job.run.path / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    # The last page of the log has room left.
    with suppress(LeptonError):
        while True:
            job.emit("log", text="x")


def crashes(job: Job) -> None:
    raise ZeroDivisionError("division by zero\nsecond line")


def fails_on_its_device(job: Job) -> None:
    job.emit("step", step=1, epoch=1, loss=1.0)
    wait_for(job.run.path / "fail")
    raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be")


def eats_memory(job: Job) -> None:
    raise MemoryError


def fails_while_stopping(job: Job) -> None:
    until_stopped(job)
    raise OSError("no space for the checkpoint")


def exits(job: Job) -> None:
    sys.exit("a library lost its temper")


def dies(job: Job) -> None:
    print("the last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def forks(job: Job) -> None:
    """Leaves a forked child behind, as a data loader does, and dies."""
    child = multiprocessing.get_context("fork").Process(target=FOREVER.wait)
    child.start()
    job.emit("log", text=str(child.pid))
    os.kill(os.getpid(), signal.SIGKILL)


def starts(job: Job) -> None:
    """Leaves a started program behind, one that keeps every file it may, and dies."""
    child = subprocess.Popen(["sleep", "600"], close_fds=False)
    job.emit("log", text=str(child.pid))
    os.kill(os.getpid(), signal.SIGKILL)


def tells(job: Job) -> None:
    job.emit(
        "log",
        text="told",
        cwd=Path.cwd(),
        nice=os.nice(0),
        session=os.getsid(0),
        pid=os.getpid(),
        variables={name: os.environ.get(name) for name in WITH_TORCH},
        home=os.environ.get("LEPTON_HOME"),
        core=sys.modules["core"].__file__,
        path=sys.path,
        stdin=sys.stdin.read(),
        torch="torch" in sys.modules,
    )
    print("printed")


def resumes(job: Job) -> None:
    """Goes to step 4 and is killed; the next time goes on from step 2."""
    if (job.run.checkpoints / "2").exists():
        job.emit("resumed", step=2, epoch=1)
        job.emit("step", step=3, epoch=1, loss=0.3)
        return
    for step in (1, 2, 3, 4):
        job.emit("step", step=step, epoch=1, loss=1.0)
    (job.run.checkpoints / "2").touch()
    with job.run.events_path.open("ab") as events:
        events.write(b'{"time":1,"event":"step","step":5,"lo')
    os.kill(os.getpid(), signal.SIGKILL)


def joins(job: Job) -> None:
    """Works beside whoever is on the device."""
    job.join(job.run.info["device"])
    until_stopped(job)
