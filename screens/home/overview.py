"""What Home shows, gathered off the event loop."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.models.registry import ModelFolder, Models
from core.runs.state import RunState
from core.runs.store import Runs
from core.workspace import Workspace
from screens.text import human_bytes

SHOWN_RUNS = 50


@dataclass(frozen=True)
class Overview:
    """The workspace at one moment."""

    datasets: list[Version]
    runs: list[RunState]
    models: list[ModelFolder]
    machine: str

    @property
    def empty(self) -> bool:
        return not (self.datasets or self.runs or self.models)


def overview(workspace: Workspace) -> Overview:
    """Read the catalogue, the run folders and the model folders."""
    return Overview(
        datasets=Lake(workspace).datasets(),
        runs=[run.state() for run in islice(Runs(workspace).newest(), SHOWN_RUNS)],
        models=Models(workspace).list(),
        machine=_machine(workspace),
    )


def _machine(workspace: Workspace) -> str:
    import psutil

    memory = psutil.virtual_memory()
    home = str(workspace.home).replace(str(Path.home()), "~", 1)
    return " · ".join(
        (
            home,
            f"{human_bytes(shutil.disk_usage(workspace.home).free)} free on disk",
            f"{os.cpu_count()} cores",
            f"{human_bytes(memory.available)} of {human_bytes(memory.total)} memory free",
        )
    )
