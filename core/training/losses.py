"""The losses of a training's steps, left on the device until somebody wants to know."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from core.errors import LeptonError
from core.training.group import Group
from core.training.progress import Progress


class DivergedError(LeptonError):
    """The loss or the weights are no longer numbers."""


class Losses:
    """What steps have lost since it was last fetched: fetching waits for the device, adding not."""

    def __init__(self, group: Group, diverged: Callable[[int, str], DivergedError]) -> None:
        self._group = group
        self._diverged = diverged
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._losses)

    def add(self, loss: Tensor, rows: int) -> None:
        """The mean loss of a step, a scalar on the device, and the rows it is the mean of."""
        self._losses.append(loss)
        self._sizes.append(rows)

    def forget(self) -> None:
        """These steps were taken back."""
        self._losses.clear()
        self._sizes.clear()

    def fetch(self, into: Progress) -> tuple[float, int]:
        """Add what is here to the sum of the epoch; its mean, and its rows.

        The sum goes step by step in Python, so it does not depend on when it was taken.

        Raises:
            DivergedError: a loss is no number.
        """
        total, rows = 0.0, 0
        values = self._group.summed(torch.stack(self._losses)).tolist() if self._losses else []
        first = into.step - len(values) + 1
        for step, (value, size) in enumerate(zip(values, self._sizes, strict=True), first):
            if not math.isfinite(value):
                raise self._diverged(step, f"the loss is {value}")
            into.loss_sum += value * size
            total += value * size
            rows += size
        into.loss_rows += rows
        self.forget()
        return total / max(1, rows), rows
