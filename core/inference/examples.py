"""Encoded examples as tensors, whole or by the batch; those of different length are padded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from core.tasks.ragged import LENGTH, Ragged

if TYPE_CHECKING:
    from core.tasks.base import Arrays

Batch: TypeAlias = dict[str, Tensor]

SHORT = 1024
"""A processor takes longer ones one by one: to tell each number its place costs more then."""


@dataclass(frozen=True)
class RaggedTensor:
    """Examples of different length: `values` [sum of lengths, …], `lengths` int64 [n] on the CPU.

    In a batch they become one tensor [b, longest, …], padded with zeros, and beside it, under the
    name with `LENGTH` after it, the lengths, int64 [b].
    """

    values: Tensor
    lengths: Tensor

    @cached_property
    def offsets(self) -> Tensor:
        """Where each example begins, and where the last one ends, int64 [n + 1] on the CPU."""
        return torch.cat([torch.zeros(1, dtype=torch.int64), self.lengths.cumsum(0)])

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.lengths.nbytes

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: torch.device) -> RaggedTensor:
        return RaggedTensor(self.values.to(device), self.lengths)

    def numpy(self) -> Ragged:
        return Ragged(self.values.cpu().numpy(), self.lengths.numpy())

    def run(self, start: int, stop: int) -> RaggedTensor:
        """The examples from `start` to before `stop`; a view."""
        first, end = self.offsets[start], self.offsets[stop]
        return RaggedTensor(self.values[first:end], self.lengths[start:stop])

    def padded(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The examples at `index` (on the CPU), and their lengths on the device of the values."""
        starts, lengths = self.offsets[index], self.lengths[index]
        longest = int(lengths.max())
        if self.device.type == "cpu" and longest > SHORT:
            places = zip(starts.tolist(), lengths.tolist(), strict=True)
            parts = [self.values[start : start + length] for start, length in places]
            return pad_sequence(parts, batch_first=True), lengths
        starts = starts.to(self.device, non_blocking=True)
        lengths = lengths.to(self.device, non_blocking=True)
        place = torch.arange(longest, device=self.device)
        missing = place >= lengths[:, None]
        at = (starts[:, None] + place).masked_fill_(missing, 0)
        found = self.values.index_select(0, at.flatten())
        found = found.view(*at.shape, *found.shape[1:])
        return found.masked_fill_(missing.view(*at.shape, *[1] * (found.dim() - 2)), 0), lengths


Examples: TypeAlias = Mapping[str, Tensor | RaggedTensor]


def as_tensors(arrays: Arrays) -> dict[str, Tensor | RaggedTensor]:
    """What a task encoded, as tensors that share its memory where they can."""
    return {
        name: RaggedTensor(torch.from_numpy(array.values), torch.from_numpy(array.lengths))
        if isinstance(array, Ragged)
        else torch.from_numpy(np.ascontiguousarray(array))
        for name, array in arrays.items()
    }


def count(examples: Examples) -> int:
    return len(next(iter(examples.values())))


def take(examples: Examples, index: Tensor) -> Batch:
    """The examples at `index`, int64 [b] on the CPU, each tensor on its own device."""
    batch: Batch = {}
    for name, each in examples.items():
        if isinstance(each, RaggedTensor):
            batch[name], batch[name + LENGTH] = each.padded(index)
        else:
            batch[name] = each.index_select(0, index.to(each.device, non_blocking=True))
    return batch


def run(examples: Examples, start: int, stop: int) -> Batch:
    """The examples from `start` to before `stop`, without a copy where they need no padding."""
    batch: Batch = {}
    for name, each in examples.items():
        if isinstance(each, RaggedTensor):
            batch[name], batch[name + LENGTH] = each.padded(torch.arange(start, stop))
        else:
            batch[name] = each[start:stop]
    return batch


def portion(examples: Examples, start: int, stop: int) -> Examples:
    """The examples from `start` to before `stop`; views."""
    return {
        name: each.run(start, stop) if isinstance(each, RaggedTensor) else each[start:stop]
        for name, each in examples.items()
    }


def spans(examples: Examples, ranges: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The examples of several ranges (start, stop), end to end."""
    made: dict[str, Any] = {}
    for name, each in examples.items():
        if isinstance(each, RaggedTensor):
            parts = [each.run(start, stop) for start, stop in ranges]
            made[name] = RaggedTensor(
                torch.cat([part.values for part in parts]),
                torch.cat([part.lengths for part in parts]),
            )
        else:
            made[name] = torch.cat([each[start:stop] for start, stop in ranges])
    return made


def joined(one: Batch, other: Batch) -> Batch:
    """Two batches as one; what was padded to another length is padded to the longer one."""
    made: Batch = {}
    for name, each in one.items():
        parts = [each, other[name]]
        if name + LENGTH in one:
            made[name] = pad_sequence([row for part in parts for row in part], batch_first=True)
        else:
            made[name] = torch.cat(parts)
    return made
