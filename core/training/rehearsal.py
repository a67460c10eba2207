"""A dry run: the model is built, a few steps are taken, and what the whole would cost is told.

Nothing is written: no run, no version, no encoded rows.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from core.data.lake.lake import Lake
from core.data.lake.view import SPLIT, View
from core.data.splitting.split import lacking_split
from core.devices.facts import choose_threads, precision_on, resolve
from core.errors import LeptonError
from core.inference.examples import as_tensors, run
from core.inference.forward import to_device
from core.models.registry import task_of
from core.tasks.ragged import Ragged
from core.training import checkpoint
from core.training.checks import AUTO
from core.training.config import TrainConfig
from core.training.module import untrained
from core.training.origin import taken_over
from core.training.setup import Setup, choose, settle, split_way, task_options
from core.training.shuffle import steps_in_epoch
from core.training.stepper import Stepper
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.tasks.base import Arrays, Task

STEPS = 2
FEW = (1, 3)
"""Sizes of the steps that tell what larger ones take."""
ROWS_AT_ONCE = 512
COUNT_SECONDS = 2.0
"""How long examples are counted where they are no rows."""


@dataclass(frozen=True)
class Rehearsal:
    """What a training would cost. Sizes are in bytes, times in seconds."""

    settings: dict[str, Any]
    """The settings with all that was left open."""
    parameters: int
    trained: int
    """Those of them that are trained."""
    examples: int
    steps: int
    memory: int
    """At its highest, on the device (on a processor: of this process)."""
    epoch_seconds: float
    seconds: float
    checkpoint: int
    disk: int
    """What checkpoints, model and encoded rows take at most."""
    free: int
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return self.disk <= self.free

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "fits": self.fits}


def rehearse(workspace: Workspace, config: TrainConfig) -> Rehearsal:
    """Take two steps on the first rows, after one that does not count.

    Raises:
        UsageError: the settings, or names in them, are wrong.
        LeptonError: the data cannot be read, or a step does not fit into the memory.
    """
    choice = choose(workspace, config)
    device = resolve(config.device)
    lake = Lake(workspace)
    lacking = lacking_split(lake, choice.version, **split_way(choice))
    with lake.open(choice.version) as view:
        split = "train" if SPLIT in choice.version.column_names else None
        rows = view.splits()["train"] if lacking is None else lacking.counts["train"]
        options = task_options(config, choice.kind)
        if choice.origin is not None:
            config = taken_over(config, choice.origin)
            task = task_of(choice.origin)
        else:
            task = choice.kind.learn(choice.fit, view, split, options, **choice.as_it_reads)
        settled = settle(
            config,
            choice,
            task,
            device=str(device),
            precision=precision_on(config.precision, device),
            threads=choose_threads(),
        )
        settled, notes = _without_auto(settled, choice.architecture.suggested)
        size = int(settled.batch_size or 1)
        sample = _sample(task, view, split, rows, size * (STEPS + 1))
    origin = choice.origin.path if choice.origin else None
    setup = Setup(settled, choice.version, task, choice.base, origin)
    torch.set_num_threads(settled.threads or 1)
    torch.manual_seed(settled.seed)
    module = untrained(setup)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        stepper = Stepper(module.to(device), task, settled, device)
        _check_memory(stepper, sample.arrays, size, device)
        took = _steps(stepper, sample.arrays, size, device)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise LeptonError(
            f"a step of {size} examples does not fit into the memory of {device}",
            hint="Lower batch_size, or choose a smaller model.",
        ) from error
    known = len(sample.arrays["target"])
    per_epoch = steps_in_epoch(sample.examples, size)
    steps = min(settled.epochs * per_epoch, settled.max_steps or 2**63)
    weights = sum(each.nbytes for each in module.state_dict().values())
    averaged = weights if settled.ema or settled.swa else 0
    state = sum(each.nbytes for each in stepper.optimizer.tensors().values())
    one = 2 * weights + averaged + state
    encoded = sum(_bytes(each) for each in sample.arrays.values()) * sample.examples // known
    return Rehearsal(
        settings=settled.to_json(),
        parameters=sum(each.numel() for each in module.parameters()),
        trained=sum(each.numel() for each in module.parameters() if each.requires_grad),
        examples=sample.examples,
        steps=steps,
        memory=_memory(device),
        epoch_seconds=took * per_epoch,
        seconds=min(took * steps, settled.max_time or float("inf")),
        checkpoint=one,
        # One more is written before the oldest goes.
        disk=(checkpoint.KEPT + 1) * one + weights + encoded,
        free=shutil.disk_usage(workspace.home).free,
        notes=(*task.notes, *notes),
    )


def _without_auto(config: TrainConfig, suggested: Any) -> tuple[TrainConfig, list[str]]:
    """What a run would find out takes more than two steps: the usual value stands for it."""
    notes = []
    for name in ("batch_size", "lr"):
        if getattr(config, name) == AUTO:
            usual = suggested[name]
            config = config.with_(**{name: int(usual) if name == "batch_size" else usual})
            notes.append(f"{name} is found out by the run; this is told for {usual:g}")
    return config, notes


@dataclass(frozen=True)
class _Sample:
    """The first examples, and how many there are of them in all, told from the rows looked at."""

    arrays: Arrays
    examples: int


def _sample(task: Task, view: View, split: str | None, rows: int, wanted: int) -> _Sample:
    """As many examples as are wanted; where a row is no example, further ones are counted for a
    while.

    Raises:
        LeptonError: there is none.
    """
    pieces: list[Arrays] = []
    kept = made = looked_at = 0
    ends = time.monotonic() + COUNT_SECONDS

    def read() -> Iterator[Any]:
        nonlocal looked_at
        for batch in task.read(view, split, ROWS_AT_ONCE):
            if kept >= wanted and (made == looked_at or time.monotonic() > ends):
                return
            looked_at += batch.num_rows
            yield batch

    for arrays in task.examples(read()):
        made += len(arrays["target"])
        if kept < wanted:
            pieces.append(arrays)
            kept = made
    if not pieces:
        raise LeptonError(f"no row has a {task.target}", where=view.version.ref)
    return _Sample(_joined(pieces), max(1, round(made * rows / looked_at)))


def _joined(pieces: Sequence[Arrays]) -> Arrays:
    return {
        name: Ragged.joined([piece[name] for piece in pieces])
        if isinstance(first, Ragged)
        else np.concatenate([piece[name] for piece in pieces])
        for name, first in pieces[0].items()
    }


def _steps(stepper: Stepper, arrays: Arrays, size: int, device: torch.device) -> float:
    """The seconds of the quicker of two steps."""
    examples = as_tensors(arrays)
    rows = len(arrays["target"])
    took = []
    for number in range(STEPS + 1):
        start = min(number * size, max(0, rows - size))
        batch = to_device(run(examples, start, min(start + size, rows)), device)
        began = time.perf_counter()
        float(stepper(batch))
        took.append(time.perf_counter() - began)
    return min(took[1:])


def _check_memory(stepper: Stepper, arrays: Arrays, size: int, device: torch.device) -> None:
    """Small steps tell what a large one takes: a processor's memory that is too small does not
    fail, the system kills the process.

    Raises:
        MemoryError: a step of `size` examples takes more than there is.
    """
    examples, known = as_tensors(arrays), len(arrays["target"])
    few, more = FEW
    if device.type != "cpu" or min(size, known) <= more:
        return
    peaks = []
    for count in (few, few, more):
        float(stepper(run(examples, 0, count)))
        peaks.append(_peak())
    each = (peaks[2] - peaks[1]) / (more - few)
    if each * (size - more) > psutil.virtual_memory().available:
        raise MemoryError


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def _bytes(array: Any) -> int:
    if isinstance(array, Ragged):
        return int(array.values.nbytes + array.lengths.nbytes)
    return int(array.nbytes)
