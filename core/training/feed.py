"""Rows to tensors: a split is encoded once into mapped arrays, then read by whole batches."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np
import psutil
import torch

from core.atomic import rename_folder
from core.errors import LeptonError
from core.runs.job import Stopped
from core.tasks.rows import with_place
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.view import View
    from core.tasks.base import Task

FORMAT = 1
META = "meta.json"
ROW_ID = "_rid"
ROWS_AT_ONCE = 2048
IN_MEMORY = 2 << 30
_STAGED = ".compiling"

Array = np.ndarray[Any, Any]


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
    found = _open(folder)
    if found is None:
        say(f"encoding the {split} split of {view.version.ref}")
        _sweep(workspace.tmp)
        staged = workspace.tmp / f"{os.getpid()}-{uuid4().hex}{_STAGED}"
        try:
            staged.mkdir()
            _encode(view, task, split, staged, should_stop)
            _put(staged, folder)
        except OSError as error:
            raise LeptonError(
                f"the encoded {split} split could not be written: {error.strerror}",
                where=str(folder),
                hint="Make room on the disk and try again.",
            ) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        found = _open(folder)
        if found is None:
            raise LeptonError("the encoded split cannot be read back", where=str(folder))
    rids = found.pop(ROW_ID)
    return Split({name: torch.from_numpy(array) for name, array in found.items()}, rids)


def order(seed: int, epoch: int, rows: int) -> Array:
    """The order in which epoch `epoch` visits the rows: a permutation, int64 [rows].

    A pure function of its arguments, so that a resumed run can go on in the middle of an epoch.
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))
    return generator.permutation(rows)


def steps_in_epoch(rows: int, batch_size: int) -> int:
    """Batches in an epoch. A single row left over is not a batch: normalisation needs two."""
    whole, rest = divmod(rows, batch_size)
    return max(1, whole + (rest > 1))


def batches(permutation: Array, batch_size: int, start: int = 0) -> Iterator[torch.Tensor]:
    """Index tensors, int64 [batch_size], of the batches from number `start` on."""
    index = torch.from_numpy(permutation)
    for number in range(start, steps_in_epoch(len(permutation), batch_size)):
        yield index[number * batch_size : (number + 1) * batch_size]


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
    growing: dict[str, _Growing] = {}
    try:
        for rows in view.batches(columns, split=split, rows=ROWS_AT_ONCE):
            if should_stop():
                raise Stopped
            arrays = task.encode(rows, target=True)
            arrays[ROW_ID] = rows.column(ROW_ID).to_numpy()[arrays.pop("row")]
            for name, array in arrays.items():
                if name not in growing:
                    growing[name] = _Growing(folder / f"{name}.npy", array)
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
    files = {name: _facts(folder / f"{name}.npy") for name in growing}
    # The garbage collector asks whose rows these are.
    of = {"version": view.version.ref, "files": [file.sha256 for file in view.version.files]}
    (folder / META).write_text(json.dumps({"format": FORMAT, "of": of, "files": files}))


class _Growing:
    """A .npy file that grows by rows; numpy's header leaves room for the final number."""

    def __init__(self, path: Path, like: Array) -> None:
        self.rows = 0
        self._like = like
        self._file = path.open("wb")
        self._head()

    def append(self, array: Array) -> None:
        if array.dtype != self._like.dtype or array.shape[1:] != self._like.shape[1:]:
            raise LeptonError(
                f"rows encode to different shapes: {array.shape[1:]} and {self._like.shape[1:]}"
            )
        self._file.write(np.ascontiguousarray(array).data)
        self.rows += len(array)

    def close(self) -> None:
        self._file.seek(0)
        self._head()
        self._file.close()

    def _head(self) -> None:
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._like.dtype),
                "fortran_order": False,
                "shape": (self.rows, *self._like.shape[1:]),
            },
        )


def _open(folder: Path) -> dict[str, Array] | None:
    """The arrays of a compiled folder; None when it is missing, unfinished or damaged."""
    try:
        files = json.loads((folder / META).read_text())["files"]
        if any(_facts(folder / f"{name}.npy") != facts for name, facts in files.items()):
            return None
        total = sum(facts["bytes"] for facts in files.values())
        small = total < min(IN_MEMORY, psutil.virtual_memory().available // 4)
        # "c" maps pages that may be written to privately: torch warns about read-only memory.
        mode: Literal["c"] | None = None if small else "c"
        return {name: np.load(folder / f"{name}.npy", mmap_mode=mode) for name in files}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _put(staged: Path, folder: Path) -> None:
    """Give the staged folder its name, unless another process was quicker."""
    try:
        rename_folder(staged, folder)
    except OSError:
        if not folder.exists():
            raise
        if _open(folder) is None:
            broken = staged.with_name(f"{os.getpid()}-{uuid4().hex}{_STAGED}")
            folder.rename(broken)
            shutil.rmtree(broken)
            rename_folder(staged, folder)


def _sweep(tmp: Path) -> None:
    """Remove the staged folders of processes that are dead."""
    for left in tmp.glob(f"*{_STAGED}"):
        owner = left.name.partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }
