"""The runs of a workspace."""

from __future__ import annotations

import os
import re
import secrets
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import uuid4

from core import atomic
from core.errors import LeptonError, UsageError, nearest
from core.runs import lock
from core.runs.queue import Queue
from core.runs.run import Run
from core.runs.state import RunState
from core.workspace import Workspace

_LETTERS = string.ascii_lowercase + string.digits


class Runs:
    """Makes, finds and lists runs: one folder each under `runs/` in the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._known: dict[str, Run] = {}

    def create(
        self,
        kind: str,
        spec: dict[str, Any],
        *,
        dataset: str | None = None,
        model: str | None = None,
        entry: str | None = None,
        device: str | None = None,
        queue: bool | None = None,
        devices: int = 1,
        parent: str | None = None,
    ) -> Run:
        """Write down what is asked; `launch` starts it.

        `spec` is for the kind's own module, plain JSON. `dataset` and `model` are what a listing
        shows. `entry` names the module whose `run(job)` does the work, when the worker does not
        know the kind. `device` is the one it is to wait for if need be, "auto" the first free one,
        and the first of as many `devices` as work on it together; `queue` says whether it waits,
        None: on accelerators. `parent` says what it is a part of,
        such as a trial of a search.
        """
        now = datetime.now(UTC)
        staged = self.workspace.tmp / f"run.{uuid4().hex[:8]}"
        for folder in (staged, staged / "checkpoints", staged / "artifacts"):
            folder.mkdir()
        (staged / "lock").touch()
        while True:
            suffix = "".join(secrets.choice(_LETTERS) for _ in range(4))
            identity = f"{kind}-{now:%Y%m%d-%H%M%S}-{suffix}"
            asked = {
                "format": 1,
                "id": identity,
                "kind": kind,
                "created": now.isoformat(),
                "dataset": dataset,
                "model": model,
                "entry": entry,
                "device": device,
                "queue": queue,
                "devices": devices,
                "parent": parent,
                "spec": spec,
            }
            try:
                atomic.write_json(staged / "run.json", asked)
                atomic.rename_folder(staged, self.workspace.runs / identity)
            except FileExistsError:
                continue
            except BaseException:
                rmtree(staged, ignore_errors=True)
                raise
            return Run(self.workspace.runs / identity, self.workspace)

    def revive(self) -> list[Run]:
        """Launch the waiting runs that have lost their process, in order; those that were.

        All of them have when the machine went down.

        Raises:
            LeptonError: the file of the queue is damaged, or no process can be started.
        """
        queue = Queue(self.workspace)
        revived = []
        for waiting in queue.waiting():
            if lock.held(self.workspace.runs / waiting.run / "lock"):
                continue
            run = self._opened(waiting.run)
            if run is None or run.state().state != "queued":
                queue.leave(waiting.run)
                continue
            try:
                run.launch()
            except LeptonError:
                if run.state().pid is None:
                    raise
            else:
                revived.append(run)
        return revived

    def all(self) -> list[Run]:
        """Every run, newest first. What is no run's folder is left out."""
        return [*self.newest()]

    def newest(self, *kinds: str) -> Iterator[Run]:
        """The runs (of these kinds, if any is named), newest first, each read when it is come to.

        The folders' names tell kind and time, so that ten thousand old runs cost one listing of
        names; only runs of one second are opened to be told apart.
        """
        names = [entry.name for entry in os.scandir(self.workspace.runs)]
        wanted = tuple(f"{kind}-" for kind in kinds)
        for _, same in groupby(sorted(names, key=_second, reverse=True), key=_second):
            named = [name for name in same if not wanted or name.startswith(wanted)]
            runs = [run for name in named if (run := self._opened(name)) is not None]
            yield from sorted(runs, key=lambda run: run.created, reverse=True)

    def alive(self) -> list[Run]:
        """The runs whose lock is held, newest first; no other is read."""
        held = [
            entry.name
            for entry in os.scandir(self.workspace.runs)
            if entry.is_dir() and lock.held(Path(entry.path, "lock"))
        ]
        runs = [run for name in held if (run := self._opened(name)) is not None]
        return sorted(runs, key=lambda run: run.created, reverse=True)

    def list(self) -> list[RunState]:
        """Every run as it is now, newest first."""
        return [run.state() for run in self.all()]

    def get(self, name: str) -> Run:
        """The run of this id, or the one whose id begins with it or ends with it (`x7k2`).

        Raises:
            UsageError: there is none, or there are several.
        """
        folder = self.workspace.runs
        if re.fullmatch(r"[\w-]+", name) and (folder / name / "run.json").exists():
            return self._open(folder / name)
        names = [entry.name for entry in os.scandir(folder)]
        fit = (n for n in names if name and (n.startswith(name) or n.endswith(f"-{name}")))
        found = sorted(n for n in fit if (folder / n / "run.json").exists())
        if not found:
            raise UsageError(f'there is no run "{name}"', hint=nearest(name, names))
        if len(found) > 1:
            raise UsageError(f'"{name}" fits {len(found)} runs', hint=nearest("", found))
        return self._open(folder / found[0])

    def remove(self, name: str) -> None:
        """Delete a run's folder.

        Raises:
            UsageError: there is no such run, or it is alive.
        """
        self.get(name).remove()

    def _open(self, path: Path) -> Run:
        return Run(path, self.workspace)

    def _opened(self, name: str) -> Run | None:
        """The run in a folder; None where it is no run's, or was removed just now.

        What was asked of a run never changes: it is read once.
        """
        if name not in self._known:
            try:
                self._known[name] = self._open(self.workspace.runs / name)
            except LeptonError:
                return None
        return self._known[name]


def _second(name: str) -> str:
    """The second in which a run was made, as its id `KIND-20260102-030405-x7k2` tells it."""
    return "-".join(name.split("-")[-3:-1])
