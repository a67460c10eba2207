"""The order in which an epoch visits the rows: a pure function, so a resumed run finds it again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from core.training.arrays import Array


def order(seed: int, epoch: int, rows: int) -> Array:
    """The order in which epoch `epoch` visits the rows: a permutation, int64 [rows].

    A pure function of its arguments, so that a resumed run can go on in the middle of an epoch.
    """
    return _generator(seed, epoch).permutation(rows)


def steps_in_epoch(rows: int, batch_size: int) -> int:
    """Batches in an epoch. A single row left over is not a batch: normalisation needs two."""
    whole, rest = divmod(rows, batch_size)
    return max(1, whole + (rest > 1))


def batches(permutation: Array, batch_size: int, start: int = 0) -> Iterator[torch.Tensor]:
    """Index tensors, int64 [batch_size], of the batches from number `start` on."""
    index = torch.from_numpy(permutation)
    for number in range(start, steps_in_epoch(len(permutation), batch_size)):
        yield index[number * batch_size : (number + 1) * batch_size]


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))
