"""What a model says of encoded examples, batch by batch: shared by all that judge or predict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from core.inference.examples import Batch, Examples, count, run

if TYPE_CHECKING:
    from core.tasks.base import Task

Array = np.ndarray[Any, Any]

NOTHING = -1.0
"""Fills up what is kept of an example where another one of the split has more."""


@dataclass(frozen=True)
class Judged:
    """What was kept of the outputs, float32 [n, …], and of each batch the mean loss and its rows;
    NaN where none is known."""

    found: Array
    losses: list[tuple[float, int]]

    @classmethod
    def together(cls, parts: Sequence[Judged]) -> Judged:
        """Parts of the same examples, in their order."""
        losses = [each for part in parts for each in part.losses]
        return cls(joined([part.found for part in parts]), losses)

    @property
    def loss(self) -> float:
        """The mean loss of all rows whose loss is known; NaN where there are none."""
        known = [(loss * size, size) for loss, size in self.losses if not math.isnan(loss)]
        total = sum(size for _, size in known)
        return sum(loss for loss, _ in known) / total if total else math.nan


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> Batch:
    """Encoded arrays on the device."""
    return {
        name: values if values.device == device else values.to(device, non_blocking=True)
        for name, values in batch.items()
    }


def precision_context(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to the precision "bf16" or "fp16"; nothing for "fp32"."""
    if precision == "fp32":
        return nullcontext()
    half = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=half)


def solved(
    module: nn.Module, task: Task, examples: Examples, *, device: torch.device, batch_size: int
) -> Array:
    """What answers are made of, float32 [n, …]: `Task.solve` of every example."""
    with _evaluating(module), torch.inference_mode():
        batches = _batches(examples, device, batch_size)
        return _together([task.solve(module, batch).float() for batch in batches])


def judged(
    module: nn.Module,
    task: Task,
    examples: Examples,
    *,
    device: torch.device,
    batch_size: int,
    precision: str = "fp32",
) -> Judged:
    """What the module makes of examples with targets; it is left in the mode in which it came."""
    with _evaluating(module), precision_context(precision, device):
        return _judged(lambda batch: task.judge(module, batch), examples, device, batch_size)


def naive(
    task: Task, examples: Examples, *, batch_size: int, device: torch.device | None = None
) -> Judged:
    """What the task's baseline makes of them."""

    def judge(batch: Batch) -> tuple[Tensor, Tensor]:
        outputs = task.naive(batch)
        return task.loss(outputs, batch), task.keep(outputs, batch)

    return _judged(judge, examples, device or torch.device("cpu"), batch_size)


def _judged(
    judge: Callable[[Batch], tuple[Tensor, Tensor]],
    examples: Examples,
    device: torch.device,
    batch_size: int,
) -> Judged:
    parts: list[Tensor] = []
    losses: list[Tensor] = []
    sizes: list[int] = []
    with torch.inference_mode():
        for batch in _batches(examples, device, batch_size):
            loss, found = judge(batch)
            losses.append(loss.float())
            parts.append(found.float())
            sizes.append(len(parts[-1]))
    told = torch.stack(losses).tolist()
    return Judged(_together(parts), [*zip(told, sizes, strict=True)])


def _batches(examples: Examples, device: torch.device, batch_size: int) -> Iterator[Batch]:
    rows = count(examples)
    for start in range(0, rows, batch_size):
        yield to_device(run(examples, start, min(start + batch_size, rows)), device)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode, and back."""
    if not module.training:
        yield
        return
    module.eval()
    try:
        yield
    finally:
        module.train()


def _together(parts: list[Tensor]) -> Array:
    return joined([part.cpu().numpy() for part in parts])


def joined(parts: list[Array]) -> Array:
    """Kept parts end to end, float32; where one is wider, the others are filled with `NOTHING`."""
    widest = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
    if all(list(part.shape[1:]) == widest for part in parts):
        return np.concatenate(parts).astype(np.float32, copy=False)
    whole = np.full((sum(map(len, parts)), *widest), NOTHING, np.float32)
    at = 0
    for part in parts:
        whole[(slice(at, at + len(part)), *map(slice, part.shape[1:]))] = part
        at += len(part)
    return whole
