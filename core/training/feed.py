"""Rows to tensors: a split is encoded once into arrays, which every later run of it shares."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import numpy as np
import psutil
import torch

from core import memory
from core.data.lake.layout import ROW_ID
from core.errors import LeptonError
from core.runs.job import Stopped
from core.tasks.rows import with_place
from core.training.arrays import STAGED, Array, Growing, finish, open_arrays, put
from core.training.shuffle import Window, batches, order, steps_in_epoch, windows
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.lake.view import View
    from core.tasks.base import Task

Batch: TypeAlias = dict[str, torch.Tensor]

FORMAT = 1
ROWS_AT_ONCE = 2048
LOADED_SHARE = 4
"""Arrays up to this part of the memory limit are loaded; larger ones are mapped."""
MIXED_SHARE = 2
"""Arrays up to this part of it are visited in any order; of larger ones, a window at a time."""
WINDOW_SHARE = 8
"""A window is up to this part of it; the next one is read while one is trained on."""


@dataclass(frozen=True)
class Split:
    """One encoded split: row-aligned tensors on the CPU, and the row id of each entry."""

    tensors: dict[str, torch.Tensor]
    rids: Array
    mapped: dict[str, np.memmap[Any, Any]] = field(default_factory=dict)
    """The files behind those tensors that were not loaded."""

    @property
    def rows(self) -> int:
        return len(self.rids)

    @cached_property
    def _ids(self) -> torch.Tensor:
        device = next(iter(self.tensors.values())).device
        return torch.from_numpy(self.rids).to(device)

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def to(self, device: torch.device) -> Split:
        """The split on a GPU when that takes under a quarter of its free memory, else itself."""
        if device.type != "cuda" or self.bytes > torch.cuda.mem_get_info(device)[0] // 4:
            return self
        return Split({name: each.to(device) for name, each in self.tensors.items()}, self.rids)

    def batch(self, index: torch.Tensor) -> Batch:
        """The entries at `index`, int64 [b], and the ids of their rows; a gather for each array."""
        found = {name: each.index_select(0, index) for name, each in self.tensors.items()}
        return {**found, ROW_ID: self._ids.index_select(0, index)}

    def window_rows(self) -> int:
        """How many rows to mix at a time; 0: all of them, since they fit or are on the GPU.

        Raises:
            UsageError: `LEPTON_MEMORY` is no amount of memory.
        """
        limit = memory.limit()
        if not self.mapped or self.bytes <= limit // MIXED_SHARE:
            return 0
        return max(1, limit // WINDOW_SHARE * self.rows // self.bytes)

    def epoch(
        self, seed: int, epoch: int, batch_size: int, *, start: int = 0, window: int = 0
    ) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on, shuffled, on the split's own device.

        All rows are mixed, or `window` of them at a time; the order depends on nothing else but
        `seed` and `epoch`.
        """
        if window:
            steps = steps_in_epoch(self.rows, batch_size) - start
            yield from islice(self._windowed(seed, epoch, batch_size, start, window), steps)
            return
        here = next(iter(self.tensors.values())).device
        for index in batches(order(seed, epoch, self.rows), batch_size, start):
            yield self.batch(index.to(here, non_blocking=True))

    def release(self) -> None:
        """Let go of the pages that were read of mapped files; they are read again when needed."""
        for array in self.mapped.values():
            array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]

    def _windowed(
        self, seed: int, epoch: int, batch_size: int, start: int, most: int
    ) -> Iterator[Batch]:
        """Batches out of one window after the other; the next is read meanwhile."""
        passed = start * batch_size
        ahead = list(windows(seed, epoch, self.rows, most))
        while ahead and ahead[0].rows <= passed:
            passed -= ahead.pop(0).rows
        left: Batch | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="window") as reader:
            reading = reader.submit(self._read, ahead[0]) if ahead else None
            for at, window in enumerate(ahead):
                assert reading is not None
                loaded, index = reading.result(), window.order()[passed:]
                passed = 0
                reading = reader.submit(self._read, ahead[at + 1]) if ahead[at + 1 :] else None
                missing = batch_size - (_rows(left) if left else 0)
                for part in (index[:missing], *torch.split(index[missing:], batch_size)):
                    if len(part):
                        batch = {name: each.index_select(0, part) for name, each in loaded.items()}
                        left = _joined(left, batch) if left else batch
                    if left and _rows(left) == batch_size:
                        yield left
                        left = None
        if left:
            yield left

    def _read(self, window: Window) -> Batch:
        """The rows of a window, copied into memory in the order in which they lie."""
        files = {**self.mapped, ROW_ID: self.rids}
        return {
            name: _read_spans(array, window)
            if isinstance(array := files.get(name), np.memmap)
            else torch.cat([each[start:stop] for start, stop in window.spans])
            for name, each in (*self.tensors.items(), (ROW_ID, self._ids))
        }


def _read_spans(array: np.memmap[Any, Any], window: Window) -> torch.Tensor:
    """Read, not copied from the mapping: whole runs at once, and no page of it stays ours."""
    found = np.empty((window.rows, *array.shape[1:]), array.dtype)
    at = 0
    if not found.nbytes:  # a table without categories
        return torch.from_numpy(found)
    with Path(str(array.filename)).open("rb", buffering=0) as file:
        for start, stop in window.spans:
            file.seek(array.offset + start * (array.nbytes // len(array)))
            place = found[at : at + stop - start].data.cast("B")
            while len(place):
                got = file.readinto(place)
                if not got:
                    raise LeptonError(
                        "an encoded array has become shorter while it was read",
                        where=str(array.filename),
                        hint="Resume the run: the array is made again.",
                    )
                place = place[got:]
            at += stop - start
    return torch.from_numpy(found)


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def _joined(one: Batch, other: Batch) -> Batch:
    return {name: torch.cat([each, other[name]]) for name, each in one.items()}


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
    mapped = {name: array for name, array in found.items() if isinstance(array, np.memmap)}
    tensors = {name: torch.from_numpy(array) for name, array in found.items()}
    return Split(tensors, rids, mapped)


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
