"""Rows to tensors: a split is encoded once into arrays, which every later run of it shares."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil
import torch

from core import memory
from core.errors import LeptonError
from core.runs.job import Stopped
from core.tasks.rows import with_place
from core.training.arrays import STAGED, Array, Growing, finish, open_arrays, put
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.view import View
    from core.tasks.base import Task

FORMAT = 1
ROW_ID = "_rid"
ROWS_AT_ONCE = 2048
LOADED_SHARE = 4
"""Arrays up to this part of the memory limit are loaded; larger ones are mapped."""


@dataclass(frozen=True)
class Split:
    """One encoded split: row-aligned tensors on the CPU, and the row id of each entry."""

    tensors: dict[str, torch.Tensor]
    rids: Array

    @property
    def rows(self) -> int:
        return len(self.rids)

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def to(self, device: torch.device) -> Split:
        """The split on a GPU when that takes under a quarter of its free memory, else itself."""
        if device.type != "cuda" or self.bytes > torch.cuda.mem_get_info(device)[0] // 4:
            return self
        return Split({name: each.to(device) for name, each in self.tensors.items()}, self.rids)

    def batch(self, index: torch.Tensor) -> dict[str, torch.Tensor]:
        """The entries at `index`, int64 [b], with one gather for each array."""
        return {name: each.index_select(0, index) for name, each in self.tensors.items()}


def compiled(
    workspace: Workspace,
    view: View,
    task: Task,
    split: str,
    *,
    say: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Split:
    """Encode a split, or take the arrays that an earlier run made of the same rows and codec.

    Rows without a target are left out. Small splits are loaded into memory, large ones mapped.

    Raises:
        UsageError: the data set lacks a column the task reads, or has no split column.
        LeptonError: the split is empty, a value cannot be read, or the disk is full.
        Stopped: `should_stop` said so; nothing is left behind.
    """
    folder = workspace.compiled / _key(view, task, split)
    most = min(memory.limit(), psutil.virtual_memory().available) // LOADED_SHARE
    found = open_arrays(folder, most)
    if found is None:
        say(f"encoding the {split} split of {view.version.ref}")
        _sweep(workspace.tmp)
        staged = workspace.tmp / f"{os.getpid()}-{uuid4().hex}{STAGED}"
        try:
            staged.mkdir()
            _encode(view, task, split, staged, should_stop)
            put(staged, folder)
        except OSError as error:
            raise LeptonError(
                f"the encoded {split} split could not be written: {error.strerror}",
                where=str(folder),
                hint="Make room on the disk and try again.",
            ) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        found = open_arrays(folder, most)
        if found is None:
            raise LeptonError("the encoded split cannot be read back", where=str(folder))
    rids = found.pop(ROW_ID)
    return Split({name: torch.from_numpy(array) for name, array in found.items()}, rids)


def _key(view: View, task: Task, split: str) -> str:
    version = view.version
    facts = {
        "format": FORMAT,
        "version": version.ref,
        "files": [file.sha256 for file in version.files],
        "split": split,
        "task": task.name,
        "codec": task.to_json(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _encode(
    view: View, task: Task, split: str, folder: Path, should_stop: Callable[[], bool]
) -> None:
    """Write one .npy file for each array, in pieces, and the facts about them last."""
    columns = with_place((*task.columns, task.target), view)
    growing: dict[str, Growing] = {}
    try:
        for rows in view.batches(columns, split=split, rows=ROWS_AT_ONCE):
            if should_stop():
                raise Stopped
            arrays = task.encode(rows, target=True)
            arrays[ROW_ID] = rows.column(ROW_ID).to_numpy()[arrays.pop("row")]
            for name, array in arrays.items():
                if name not in growing:
                    growing[name] = Growing(folder / f"{name}.npy", array)
                growing[name].append(array)
    finally:
        for each in growing.values():
            each.close()
    if not growing or growing[ROW_ID].rows == 0:
        raise LeptonError(
            f"the {split} split has no row with a {task.target}",
            where=view.version.ref,
            hint="Split the data set again: lepton data split.",
        )
    # The garbage collector asks whose rows these are.
    of = {"version": view.version.ref, "files": [file.sha256 for file in view.version.files]}
    finish(folder, list(growing), of)


def _sweep(tmp: Path) -> None:
    """Remove the staged folders of processes that are dead."""
    for left in tmp.glob(f"*{STAGED}"):
        owner = left.name.partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
