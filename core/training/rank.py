"""One process of a training by several: `python -P -m core.training.rank RUN_FOLDER`.

Started by `launching.launch` through torch's elastic launcher, which names its rank in the
environment. The first one scores, records, saves and publishes for all.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch

from core.errors import DeviceFailedError, LeptonError
from core.runs.events import EventWriter
from core.runs.job import Job, Stopped
from core.runs.run import Run
from core.runs.worker import blame, explain
from core.training import setup as setups
from core.training import worker
from core.training.feed import Split
from core.training.group import Group, NotTogetherError, Together, Waiting, start
from core.training.launching import RESTARTS, Notes
from core.training.setup import Setup
from core.workspace import Workspace

_LOOK_SECONDS = 0.1
_FINAL = LeptonError, MemoryError, torch.OutOfMemoryError
"""What would come again if all were started again."""


class Member(Job):
    """The run as one of its processes sees it: only the first one is heard."""

    def __init__(self, run: Run, events: EventWriter, *, leads: bool) -> None:
        super().__init__(run, events)
        self._leads = leads
        self.meets = False
        """Whether it waits for the others of the group: nobody is there to agree with on a stop."""

    def emit(self, event: str, **fields: Any) -> None:
        if self._leads:
            super().emit(event, **fields)


def main() -> int:
    """Train as one of the group. 0: it is done or was stopped; 1: it failed, and left word why."""
    # The run's own process is asked, and asks.
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    faulthandler.enable()
    run = Run(Path(sys.argv[1]).absolute(), Workspace.open())
    notes = Notes(run.path)
    if notes.reason(final=True):
        return 0
    with EventWriter(run.events_path) as events:
        job = Member(run, events, leads=os.environ["RANK"] == "0")
        threading.Thread(target=watch, args=(job, notes, os.getppid()), daemon=True).start()
        try:
            train(job)
        except Stopped:
            notes.ask_to_stop()
            return 0
        except Exception as error:
            traceback.print_exc()
            found = explain(error, run, job.works_on)
            lost = isinstance(found, DeviceFailedError)
            if isinstance(found, DeviceFailedError):
                blame(found)
            again = isinstance(error, NotTogetherError) or not isinstance(error, _FINAL)
            notes.failed(found, final=lost or not again)
            return 1
    return 0


def watch(job: Member, notes: Notes, parent: int) -> None:
    """Pass on that the run is to stop; end with the run's own process, however that ends."""
    waiting = Waiting()
    while os.getppid() == parent:
        if not job.should_stop() and notes.stop:
            job.ask_to_stop()
        if job.meets and notes.stop:
            os._exit(0)
        if job.meets and waiting.in_vain(RESTARTS) and job.meets:
            os._exit(1)
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def train(job: Member) -> None:
    setup = setups.load(job.workspace, job.run.artifacts)
    assert setup is not None
    if restarts := start():
        everywhere = ", once every machine is there" if setup.config.nodes > 1 else ""
        job.emit(
            "log",
            text="a process of the training ended: all start again from the last checkpoint"
            f"{everywhere} ({restarts} of {RESTARTS} times)",
        )
    splits = worker.splits(job, setup)
    device = own_device(setup.config.device)
    job.works_on = str(device)
    job.meets = True
    group = Together(device)
    setup = agreed(setup, splits[0], group)
    job.meets = False
    Notes(job.run.path).met()
    group.shards = setup.config.shard
    done = worker.fit(job, setup, *splits, device=device, group=group)
    if not done:
        # One of the group was asked to stop, and all have.
        raise Stopped


def agreed(setup: Setup, split: Split, group: Group) -> Setup:
    """The settings of the first process with what is this machine's own.

    Raises:
        LeptonError: the machines have not the same data.
    """
    facts = [setup.task.name, setup.task.to_json(), [each.sha256 for each in setup.version.files]]
    told = hashlib.sha256(json.dumps([*facts, split.rows], sort_keys=True).encode()).hexdigest()
    if len(set(group.gathered(told))) > 1:
        raise LeptonError(
            "the machines have not the same rows to train on",
            where=setup.version.ref,
            hint="Bring the same data set in on each, or share LEPTON_HOME's data.",
        )
    own = setup.config
    config = group.told(lambda: own).with_(
        dataset=own.dataset, device=own.device, threads=own.threads, node_rank=own.node_rank
    )
    return replace(setup, config=config)


def own_device(first: str) -> torch.device:
    """This process's device, where the first process of this machine has `first`."""
    device = torch.device(first)
    if device.type == "cpu":
        return device
    return torch.device(device.type, (device.index or 0) + int(os.environ["LOCAL_RANK"]))


def end(code: int) -> NoReturn:
    """End without taking the interpreter down in order: gloo's threads may abort that."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main())
