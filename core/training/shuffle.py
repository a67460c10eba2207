"""The order in which an epoch visits the rows: a pure function, so a resumed run finds it again.

Rows in memory are visited in a random permutation. Where they do not fit, whole blocks of
neighbouring rows are drawn in random order, and the rows of some blocks at a time, a window, are
mixed in memory: the disk is read in long runs, and each row still comes exactly once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from core.training.arrays import Array

BLOCKS = 64
"""Blocks in a window: so many far apart places of the data are mixed at a time."""


def order(seed: int, epoch: int, rows: int) -> Array:
    """The order in which epoch `epoch` visits the rows: a permutation, int64 [rows].

    A pure function of its arguments, so that a resumed run can go on in the middle of an epoch.
    """
    return _generator(seed, epoch).permutation(rows)


def balanced_order(seed: int, epoch: int, classes: Array) -> Array:
    """An order in which every class comes as often, int64 [rows]: the rows of rare ones again.

    `classes` is the class of each row, int64. A pure function of its arguments.
    """
    draw = _generator(seed, epoch)
    members = [np.flatnonzero(classes == each) for each in np.unique(classes)]
    most = -(-len(classes) // len(members))
    # Whole rounds through a class before a row of it comes again.
    turns = [
        np.concatenate([draw.permutation(rows) for _ in range(-(-most // len(rows)))])[:most]
        for rows in members
    ]
    return draw.permutation(np.concatenate(turns))[: len(classes)]


def steps_in_epoch(rows: int, batch_size: int) -> int:
    """Batches in an epoch. A single row left over is not a batch: normalisation needs two."""
    whole, rest = divmod(rows, batch_size)
    return max(1, whole + (rest > 1))


def batches(permutation: Array, batch_size: int, start: int = 0) -> Iterator[torch.Tensor]:
    """Index tensors, int64 [batch_size], of the batches from number `start` on."""
    index = torch.from_numpy(permutation)
    for number in range(start, steps_in_epoch(len(permutation), batch_size)):
        yield index[number * batch_size : (number + 1) * batch_size]


@dataclass(frozen=True)
class Window:
    """Rows that are in memory together: where they lie, and in which order they are visited."""

    spans: tuple[tuple[int, int], ...]
    """First row and row after the last of each run of neighbours, ascending."""
    seed: int
    epoch: int
    number: int

    @property
    def rows(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    def order(self) -> torch.Tensor:
        """Positions among the rows of the spans laid end to end: a permutation, int64 [rows]."""
        draw = _generator(self.seed, self.epoch, self.number + 1)
        return torch.from_numpy(draw.permutation(self.rows))


def windows(seed: int, epoch: int, rows: int, most: int) -> Iterator[Window]:
    """The windows of an epoch, each of up to `most` rows (1 or more), that together are all rows.

    A pure function of its arguments.
    """
    block = max(1, most // BLOCKS)
    count = -(-rows // block)
    blocks = _generator(seed, epoch).permutation(count)
    at_once = max(1, most // block)
    for number, first in enumerate(range(0, count, at_once)):
        spans: list[tuple[int, int]] = []
        for start in np.sort(blocks[first : first + at_once]).tolist():
            span = start * block, min((start + 1) * block, rows)
            if spans and spans[-1][1] == span[0]:
                span = spans.pop()[0], span[1]
            spans.append(span)
        yield Window(tuple(spans), seed, epoch, number)


def _generator(seed: int, epoch: int, part: int = 0) -> np.random.Generator:
    """Random numbers of their own for each part of an epoch: the counter starts elsewhere."""
    key = np.array([seed, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, part]))
