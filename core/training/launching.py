"""A training by several processes: they are started, watched, and started again if one ends.

The run's own process holds its lock and obeys its signals; torch's elastic launcher works in a
thread of it and starts `core.training.rank` for each device. When one of them ends before its time
all are ended, and go on from the last checkpoint. What they and this process have to tell each
other besides lies in the run's folder `group`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import sys
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import psutil

from core.devices.facts import devices
from core.errors import LeptonError, UsageError
from core.runs.job import Job, Stopped
from core.runs.state import summary
from core.training.config import TrainConfig

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

RESTARTS = 3
"""Times that the processes are started again in one launch of the run."""
MEMBER = "core.training.rank"
_LOOK_SECONDS = 0.1
_OTHERS_STOP_WITHIN = 10.0


class Notes:
    """What the processes of a run on this machine leave for one another."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "group"
        self._stop = self.folder / "stop"
        self._met = self.folder / "met"
        self._ended = {final: self.folder / f"{final}.json" for final in (True, False)}

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def ask_to_stop(self) -> None:
        self._stop.touch()

    @property
    def stop(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stop.exists()

    def met(self) -> None:
        """Say that the processes of all machines are together."""
        self._met.touch()

    @property
    def have_met(self) -> bool:
        return self._met.exists()

    def failed(self, error: LeptonError, *, final: bool) -> None:
        """Why a process ends; `final` when starting again would not help."""
        path = self._ended[final]
        if not path.exists():
            path.write_text(json.dumps(error.to_json()))

    def reason(self, *, final: bool) -> LeptonError | None:
        """The first that was left."""
        try:
            return LeptonError.from_json(json.loads(self._ended[final].read_text()))
        except (OSError, ValueError):
            return None


def members(config: TrainConfig) -> list[str]:
    """The devices that train together, as torch names them; on the processor it is one."""
    kind, _, first = config.device.partition(":")
    if kind == "cpu" or config.devices == 1:
        return [config.device]
    return [f"{kind}:{int(first or 0) + at}" for at in range(config.devices)]


def hold_devices(job: Job, config: TrainConfig) -> None:
    """Say that the run works on its devices.

    Raises:
        UsageError: the machine has not as many.
    """
    names = members(config)
    if len(names) > 1:
        known = {device.name for device in devices()}
        if missing := [name for name in names if name not in known]:
            raise UsageError(
                f"devices={config.devices} needs {missing[0]}, and this machine has none",
                hint=f"Go on with fewer: lepton runs resume {job.run.id} --devices 1",
            )
    for name in names:
        job.join(name)


def launch(job: Job, config: TrainConfig) -> None:
    """Train with this machine's processes, to the end or until one of the group is to stop.

    Raises:
        LeptonError: what one of them raised, or how it ended.
    """
    from torch import distributed
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # It says at length what it does, and that a thread takes no signals; its processes warn of what
    # is meant so.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    notes = Notes(job.run.path)
    notes.clear()
    alone = config.nodes == 1
    if not alone:
        which = f"machine {config.node_rank} of {config.nodes}"
        job.emit("log", text=f"{which}: they meet at {config.rendezvous}")
        _name_network(str(config.rendezvous))
    plan = LaunchConfig(
        min_nodes=config.nodes,
        max_nodes=config.nodes,
        nproc_per_node=config.devices,
        run_id=job.run.id if alone else str(config.rendezvous),
        # Where several machines meet, each says which it is: the first is to keep the record.
        rdzv_backend="c10d" if alone else "static",
        rdzv_endpoint="localhost:0" if alone else str(config.rendezvous),
        rdzv_configs={} if alone else {"rank": config.node_rank},
        local_addr="localhost" if alone else None,
        max_restarts=RESTARTS,
    )
    start = elastic_launch(plan, sys.executable)
    work: Future[Any] = Future()

    def launched() -> None:
        try:
            work.set_result(start("-P", "-m", MEMBER, str(job.run.path)))
        except Exception as error:
            work.set_exception(error)

    Thread(target=launched, name="elastic", daemon=True).start()
    while not work.done() and not job.wait(_LOOK_SECONDS):
        pass
    if job.should_stop():
        notes.ask_to_stop()
        while not work.done() and psutil.Process().children():
            wait([work], _LOOK_SECONDS)
        # The launcher waits for those of other machines, which may never have been there.
        wait([work], _OTHERS_STOP_WITHIN if notes.have_met else 0)
    else:
        wait([work])
    error = work.exception() if work.done() else Stopped()
    if notes.stop and not job.should_stop():
        job.ask_to_stop()
    if found := notes.reason(final=True):
        raise found
    if isinstance(error, ChildFailedError):
        raise notes.reason(final=False) or _ended(error, job) from error
    if isinstance(error, distributed.DistError) and notes.have_met:
        raise LeptonError(
            f"machine 0 of the training is gone: {str(error).splitlines()[0]}",
            where=plan.rdzv_endpoint,
            hint="Resume the run on every machine to go on from its last checkpoint.",
        ) from error
    if isinstance(error, distributed.DistError):
        raise LeptonError(
            f"the processes do not meet: {str(error).splitlines()[0]}",
            where=plan.rdzv_endpoint,
            hint="Name a free port of machine 0 as rendezvous, by an address that all reach.",
        ) from error
    job.has_result = bool(summary(job.run.events_path)[0].result)
    if error is not None and not job.has_result:
        raise error


def _name_network(rendezvous: str) -> None:
    """Have gradients go where the machines meet, unless a person has said where.

    Left alone gloo takes the interface of the host's name, which others may not reach.
    """
    host = rendezvous.rpartition(":")[0].strip("[]")
    with suppress(OSError):
        kind, _, _, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as way:
            way.connect(address)  # sends nothing; the system chooses the way
            own = way.getsockname()[0]
        for name, addresses in psutil.net_if_addrs().items():
            if any(each.address == own for each in addresses):
                os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
                os.environ.setdefault("NCCL_SOCKET_IFNAME", name)


def _ended(error: ChildFailedError, job: Job) -> LeptonError:
    """The end of a process that left no word."""
    rank, failure = error.get_first_failure()
    how = f"by {failure.signal_name()}" if failure.exitcode < 0 else f"with {failure.exitcode}"
    return LeptonError(
        f"process {rank} of the training ended {how}, {RESTARTS + 1} times in all",
        where=str(job.run.log_path),
        hint="Resume the run to go on from its last checkpoint.",
    )
