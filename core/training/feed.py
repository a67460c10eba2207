"""Rows to tensors: a split is encoded once into arrays, which every later run of it shares."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import psutil
import torch

from core import memory
from core.data.lake.files import Known, verify_files
from core.data.lake.layout import ROW_ID
from core.errors import LeptonError
from core.inference.examples import Batch, Examples, RaggedTensor, joined, spans, take
from core.runs.job import Stopped
from core.tasks.ragged import LENGTH, Ragged
from core.training.arrays import STAGED, Array, Growing, finish, open_arrays, put
from core.training.once import by_one
from core.training.shuffle import (
    Window,
    balanced_order,
    batches,
    order,
    steps_in_epoch,
    windows,
)
from core.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from core.data.lake.view import View
    from core.tasks.base import Arrays, Task

FORMAT = 2
ROWS_AT_ONCE = 2048
LOADED_SHARE = 4
"""Arrays up to this part of the memory limit are loaded; larger ones are mapped."""
MIXED_SHARE = 2
"""Arrays up to this part of it are visited in any order; of larger ones, a window at a time."""
WINDOW_SHARE = 8
"""A window is up to this part of it; the next one is read while one is trained on."""

_whole: Known = {}
"""The files that this process has hashed: a run reads them for each of its splits."""


@dataclass(frozen=True)
class Split:
    """One encoded split: tensors aligned by example, and the row id of each example."""

    tensors: Examples
    rids: Array
    mapped: dict[str, np.memmap[Any, Any]] = field(default_factory=dict)
    """The files behind those tensors that were not loaded."""

    @property
    def rows(self) -> int:
        return len(self.rids)

    @cached_property
    def _all(self) -> Examples:
        """The tensors, and the ids of their rows on the same device."""
        device = next(iter(self.tensors.values())).device
        return {**self.tensors, ROW_ID: torch.from_numpy(self.rids).to(device)}

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def target(self) -> Any:
        """All targets: an array, or `Ragged`."""
        target = self.tensors["target"]
        return target.numpy() if isinstance(target, RaggedTensor) else target.cpu().numpy()

    def to(self, device: torch.device) -> Split:
        """The split on a GPU when that takes under a quarter of its free memory, else itself."""
        if device.type != "cuda" or self.bytes > torch.cuda.mem_get_info(device)[0] // 4:
            return self
        return Split({name: each.to(device) for name, each in self.tensors.items()}, self.rids)

    def batch(self, index: torch.Tensor) -> Batch:
        """The examples at `index`, int64 [b] on the CPU, and the ids of their rows."""
        return take(self._all, index)

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
        self,
        seed: int,
        epoch: int,
        batch_size: int,
        *,
        start: int = 0,
        window: int = 0,
        balanced: bool = False,
    ) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on, shuffled, on the split's own device.

        All rows are mixed, or `window` of them at a time; `balanced` has every class come as
        often. The order depends on nothing else but `seed` and `epoch`.
        """
        if window:
            steps = steps_in_epoch(self.rows, batch_size) - start
            yield from islice(self._windowed(seed, epoch, batch_size, start, window), steps)
            return
        made = (
            balanced_order(seed, epoch, self.target) if balanced else order(seed, epoch, self.rows)
        )
        for index in batches(made, batch_size, start):
            yield self.batch(index)

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
                        batch = take(loaded, part)
                        left = joined(left, batch) if left else batch
                    if left and _rows(left) == batch_size:
                        yield left
                        left = None
        if left:
            yield left

    def _read(self, window: Window) -> Examples:
        """The rows of a window, copied into memory in the order in which they lie."""
        files = {**self.mapped, ROW_ID: self.rids}
        loaded: dict[str, torch.Tensor | RaggedTensor] = {}
        for name, each in self._all.items():
            array = files.get(name)
            if not isinstance(array, np.memmap):
                loaded |= spans({name: each}, window.spans)
            elif isinstance(each, RaggedTensor):
                ends = [(int(each.offsets[a]), int(each.offsets[b])) for a, b in window.spans]
                lengths = torch.cat([each.lengths[a:b] for a, b in window.spans])
                loaded[name] = RaggedTensor(_read_spans(array, ends), lengths)
            else:
                loaded[name] = _read_spans(array, window.spans)
        return loaded


def _read_spans(array: np.memmap[Any, Any], ranges: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Read, not copied from the mapping: whole runs at once, and no page of it stays ours."""
    rows = sum(stop - start for start, stop in ranges)
    found = np.empty((rows, *array.shape[1:]), array.dtype)
    at = 0
    if not found.nbytes:  # a table without categories
        return torch.from_numpy(found)
    with Path(str(array.filename)).open("rb", buffering=0) as file:
        for start, stop in ranges:
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
    return len(batch[ROW_ID])


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
        LeptonError: the split is empty, a value cannot be read, a data file is missing or
            damaged, or the disk is full.
        Stopped: `should_stop` said so; nothing is left behind.
    """
    key = _key(view, task, split)
    folder = workspace.compiled / key
    most = min(memory.limit(), psutil.virtual_memory().available) // LOADED_SHARE
    found = open_arrays(folder, most)
    if found is None:
        what = f"the {split} split of {view.version.ref}"
        waiting = partial(say, f"another run encodes {what}: waiting for it")
        with by_one(workspace, key, waiting=waiting, should_stop=should_stop):
            found = open_arrays(folder, most)
            if found is None:
                say(f"encoding {what}")
                _make(
                    workspace,
                    folder,
                    split,
                    lambda staged: _encode_verified(view, task, split, staged, should_stop),
                )
                found = open_arrays(folder, most)
    if found is None:
        raise LeptonError("the encoded split cannot be read back", where=str(folder))
    rids = found.pop(ROW_ID)
    lengths = {name: found.pop(name + LENGTH) for name in list(found) if name + LENGTH in found}
    mapped = {name: array for name, array in found.items() if isinstance(array, np.memmap)}
    tensors = {
        name: RaggedTensor(torch.from_numpy(array), torch.from_numpy(np.array(lengths[name])))
        if name in lengths
        else torch.from_numpy(array)
        for name, array in found.items()
    }
    return Split(tensors, rids, mapped)


def _make(workspace: Workspace, folder: Path, split: str, encode: Callable[[Path], None]) -> None:
    """Have a split encoded beside, and put it into `folder`."""
    _sweep(workspace.tmp)
    staged = workspace.tmp / f"{os.getpid()}-{uuid4().hex}{STAGED}"
    try:
        staged.mkdir()
        encode(staged)
        put(staged, folder)
    except OSError as error:
        raise LeptonError(
            f"the encoded {split} split could not be written: {error.strerror or error}",
            where=str(folder),
            hint="Make room on the disk and try again.",
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


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


def _encode_verified(
    view: View, task: Task, split: str, folder: Path, should_stop: Callable[[], bool]
) -> None:
    """Encode, and look whether the rows are what was brought in: DuckDB reads changed ones too."""
    try:
        _encode(view, task, split, folder, should_stop)
    except Stopped:
        raise
    except Exception:
        # Whatever it says of rows that are damaged, that is why.
        verify_files(view.version, view.workspace.data)
        raise
    verify_files(view.version, view.workspace.data, _whole)


def _encode(
    view: View, task: Task, split: str, folder: Path, should_stop: Callable[[], bool]
) -> None:
    """Write one .npy file for each array, in pieces, and the facts about them last."""
    growing: dict[str, Growing] = {}

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in task.read(view, split, ROWS_AT_ONCE):
            if should_stop():
                raise Stopped
            yield batch

    try:
        for arrays in task.examples(rows()):
            for name, array in _flat(arrays):
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


def _flat(arrays: Arrays) -> Iterator[tuple[str, Array]]:
    """What is written: of examples of different length, the values and the lengths."""
    for name, each in arrays.items():
        if isinstance(each, Ragged):
            yield name, each.values
            yield name + LENGTH, each.lengths
        else:
            yield name, each


def _sweep(tmp: Path) -> None:
    """Remove the staged folders of processes that are dead."""
    for left in tmp.glob(f"*{STAGED}"):
        owner = left.name.partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
