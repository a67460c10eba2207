"""A dry run: the model is built, a few steps are taken, and what the whole would cost is told.

Nothing stays: no run, no version, no encoded rows.
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
from core.models.registry import task_of
from core.tasks.ragged import Ragged
from core.training import checkpoint, pace
from core.training.checks import AUTO
from core.training.choice import choose, task_options
from core.training.config import TrainConfig
from core.training.module import untrained
from core.training.origin import taken_over
from core.training.setup import Setup, settle, split_way
from core.training.shuffle import steps_in_epoch
from core.training.stepper import Stepper
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.tasks.base import Arrays, Task

VALIDATION = "validation"
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
    """Of its steps, and of judging it."""
    validation_seconds: float
    """What judging takes of them."""
    saving_seconds: float
    """Of one checkpoint."""
    seconds: float
    """In all, from the first rows that are read."""
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
    """Take a few steps on the first rows, judge a batch of others, and save as much as it would.

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
        counts = view.splits() if lacking is None else lacking.counts
        began = time.perf_counter()
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
            threads=max(1, choose_threads() // config.devices),
        )
        settled, notes = _without_auto(settled, choice.architecture.suggested)
        learning = time.perf_counter() - began
        size = int(settled.batch_size or 1)
        # Of several processes each takes its share of a step.
        share = -(-size // settled.processes)
        sample = _sample(task, view, split, counts["train"], share * (pace.STEPS + 1))
        held_out = _held_out(task, view, split, counts.get(VALIDATION, 0))
    origin = choice.origin.path if choice.origin else None
    setup = Setup(settled, choice.version, task, choice.base, origin)
    torch.set_num_threads(settled.threads or 1)
    torch.manual_seed(settled.seed)
    module = untrained(setup, as_tensors(sample.arrays))
    if task.reads == "image":
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        stepper = Stepper(module.to(device), task, settled, device)
        _check_memory(stepper, sample.arrays, share, device)
        took = pace.step_seconds(stepper, sample.arrays, share)
        judging = _judging(stepper, held_out) / (1 if settled.shard else settled.processes)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise LeptonError(
            f"a step of {share} examples does not fit into the memory of {device}",
            hint="Lower batch_size, or choose a smaller model.",
        ) from error
    known = len(sample.arrays["target"])
    per_epoch = steps_in_epoch(sample.examples, size)
    steps = min(settled.epochs * per_epoch, settled.max_steps or 2**63)
    weights = sum(each.nbytes for each in module.state_dict().values())
    averaged = weights if settled.ema or settled.swa else 0
    state = sum(each.nbytes for each in stepper.optimizer.tensors().values())
    one = 2 * weights + averaged + state
    free = shutil.disk_usage(workspace.home).free
    saving = pace.saving_seconds(workspace.tmp, one) if free > 2 * one else 0.0
    kept_up = pace.Pace(took, judging, saving)
    learning += sum(each.seconds for each in (sample, held_out) if each)
    encoded = sum(_bytes(each) for each in sample.arrays.values()) * sample.examples // known
    return Rehearsal(
        settings=settled.to_json(),
        parameters=sum(each.numel() for each in module.parameters()),
        trained=sum(each.numel() for each in module.parameters() if each.requires_grad),
        examples=sample.examples,
        steps=steps,
        memory=_memory(device),
        epoch_seconds=kept_up.epoch(per_epoch),
        validation_seconds=judging,
        saving_seconds=saving,
        seconds=learning + kept_up.whole(settled, steps, per_epoch),
        checkpoint=one,
        # One more is written before the oldest goes.
        disk=(checkpoint.KEPT + 1) * one + weights + encoded,
        free=free,
        notes=(*setup.notes, *notes, *_of_group(settled, size, share)),
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


def _of_group(config: TrainConfig, size: int, share: int) -> list[str]:
    """What it means that several processes train it."""
    if config.processes == 1:
        return []
    who = "processes share the processor and" if config.device == "cpu" else "devices"
    return [
        f"{config.processes} {who} take {share} of the {size} examples of a step each; what they"
        " tell each other after it takes time that is not counted here"
    ]


@dataclass(frozen=True)
class _Sample:
    """The first examples, and how many there are of them in all, told from the rows looked at."""

    arrays: Arrays
    examples: int
    seconds: float
    """In which all of them are read."""


def _held_out(task: Task, view: View, split: str | None, rows: int) -> _Sample | None:
    """A batch of what the model is judged by, of any rows where none is split off yet."""
    if not rows:
        return None
    try:
        return _sample(task, view, split and VALIDATION, rows, task.at_once)
    except LeptonError:
        # Rows without a target judge nothing.
        return None


def _sample(task: Task, view: View, split: str | None, rows: int, wanted: int) -> _Sample:
    """As many examples as are wanted; where a row is no example, further ones are counted for a
    while.

    Raises:
        LeptonError: there is none.
    """
    pieces: list[Arrays] = []
    kept = made = looked_at = 0
    read_all = False
    began = time.monotonic()
    ends = began + COUNT_SECONDS

    def read() -> Iterator[Any]:
        nonlocal looked_at, read_all
        for batch in task.read(view, split, ROWS_AT_ONCE):
            if kept >= wanted and (made == looked_at or time.monotonic() > ends):
                return
            looked_at += batch.num_rows
            yield batch
        # Rows of other splits may be read beside: what came before a series.
        read_all = split is not None

    for arrays in task.examples(read()):
        made += len(arrays["target"])
        if kept < wanted:
            pieces.append(arrays)
            kept = made
    if not pieces:
        raise LeptonError(f"no row has a {task.target}", where=view.version.ref)
    times = 1.0 if read_all else rows / looked_at
    took = time.monotonic() - began
    return _Sample(_joined(pieces), max(1, round(made * times)), took * times)


def _judging(stepper: Stepper, held_out: _Sample | None) -> float:
    """Seconds in which one process judges the model once."""
    return held_out.examples * pace.judging_seconds(stepper, held_out.arrays) if held_out else 0.0


def _joined(pieces: Sequence[Arrays]) -> Arrays:
    return {
        name: Ragged.joined([piece[name] for piece in pieces])
        if isinstance(first, Ragged)
        else np.concatenate([piece[name] for piece in pieces])
        for name, first in pieces[0].items()
    }


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
