"""What a model and its baseline make of rows with a known answer."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import nn

from core.data.lake.version import Version
from core.data.lake.view import ROW_ID
from core.errors import LeptonError
from core.inference.examples import as_tensors
from core.inference.forward import Judged, judged, naive
from core.inference.ready import ready
from core.models.folder import load_module
from core.models.registry import ModelFolder
from core.tasks.base import Task
from core.tasks.ragged import Ragged
from core.tasks.reading import LeftOut
from core.tasks.scoring import taken

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 256
TURN = 0.0002
"""Seconds that a thread works before another one may."""

Array = np.ndarray[Any, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Judgement:
    """What a model and its baseline say of n examples whose answers are known.

    `rids` int64 [n] is the row that each comes from; `found` and `naive` are what the task keeps of
    the outputs, float32 [n, …], of the model and of its baseline.
    """

    task: Task
    rids: Array
    target: Any
    found: Array
    naive: Array
    loss: float
    naive_loss: float

    def __len__(self) -> int:
        return len(self.rids)

    def taken(self, rows: Array) -> Judgement:
        """Of the examples at these places; the losses stay those of all."""
        return Judgement(
            self.task,
            self.rids[rows],
            taken(self.target, rows),
            self.found[rows],
            self.naive[rows],
            self.loss,
            self.naive_loss,
        )


class Judge:
    """Gathers what model and baseline make of examples; a row that cannot be read is set aside."""

    def __init__(
        self, task: Task, module: nn.Module, device: torch.device, batch_size: int
    ) -> None:
        self.task = task
        self.module = module
        self.device = device
        self.batch_size = batch_size
        self.left_out = LeftOut()
        self._rids: list[Array] = []
        self._told: list[Judged] = []
        self._naive: list[Judged] = []
        self._targets: list[Any] = []

    @classmethod
    def of(
        cls, folder: ModelFolder, task: Task, device: torch.device, batch_size: int | None = None
    ) -> Judge:
        """A judge of the model in a folder.

        Raises:
            LeptonError: the folder is damaged.
        """
        module = ready(load_module(folder, device), task)
        return cls(task, module, device, batch_size or min(BATCH, task.at_once))

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Judge the examples that the task makes of these rows."""
        size = self.batch_size
        for arrays in _ahead(self.task.examples(batches, self.left_out)):
            self._rids.append(np.asarray(arrays[ROW_ID]))
            self._targets.append(arrays["target"])
            examples = as_tensors(arrays)
            self._told.append(
                judged(self.module, self.task, examples, device=self.device, batch_size=size)
            )
            self._naive.append(naive(self.task, examples, batch_size=size))

    def together(self, version: Version, part: str) -> Judgement:
        """All that was judged.

        Raises:
            LeptonError: no row could be judged, or the model answers with what is no number.
        """
        if not self._told:
            bad = self.left_out.unreadable
            first = f"; the first: {bad[0].why}" if bad else ""
            raise LeptonError(
                f"no {part} row can be judged: {self.left_out.without_target} have no"
                f" {self.task.target}, {len(bad)} cannot be read{first}",
                where=version.ref,
            )
        told, baseline = Judged.together(self._told), Judged.together(self._naive)
        if not np.isfinite(told.found).all():
            raise LeptonError(
                "the model's output is not a number", hint="Train it again with a smaller lr."
            )
        return Judgement(
            self.task,
            np.concatenate(self._rids).astype(np.int64, copy=False),
            _all(self._targets),
            told.found,
            baseline.found,
            told.loss,
            baseline.loss,
        )


def _ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, the next one made while this one is worked on."""
    there = iter(items)
    with _quick_turns(), ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, there, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, there, None)
            yield item


@contextmanager
def _quick_turns() -> Iterator[None]:
    """The interpreter goes from thread to thread more often.

    By itself it lets the decoding of a picture keep the model waiting for 5 ms before each layer.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, TURN))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _all(targets: list[Any]) -> Any:
    return Ragged.joined(targets) if isinstance(targets[0], Ragged) else np.concatenate(targets)
