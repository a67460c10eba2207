"""What an epoch was worth: the scores on the validation split, and whether to keep its weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from core.inference.examples import Examples, portion
from core.inference.forward import Judged, judged, naive
from core.training.config import TrainConfig
from core.training.feed import Split
from core.training.group import ALONE, Group, cut
from core.training.progress import Best, Progress
from core.training.schedule import PLATEAU_EPOCHS, PLATEAU_FACTOR

if TYPE_CHECKING:
    from core.tasks.base import Task


class Judge:
    """Scores a module on the validation split, by the task's own metrics."""

    def __init__(
        self, task: Task, validation: Split | None, config: TrainConfig, device: torch.device
    ) -> None:
        self._task = task
        self.validation = validation
        self._config = config
        self._device = device

    @property
    def rows(self) -> int:
        """How many rows it judges by."""
        return self.validation.rows if self.validation else 0

    def scores(self, module: nn.Module, group: Group = ALONE) -> dict[str, float]:
        """The loss and the metrics, named `val/…`; none without a validation split.

        In a group each process judges some of the batches that one would judge, and the leader
        scores what all have brought.
        """
        split = self.validation
        if split is None:
            return {}
        size = self._task.at_once
        # Where each has but a part of the model all go through the same batches, step by step.
        ranks = 1 if group.shards else group.size
        own = cut(range(-(-split.rows // size)), ranks)[group.rank % ranks]
        told = None
        if own:
            last = min(own.stop * size, split.rows)
            examples = portion(split.tensors, own.start * size, last)
            told = self._judged(module, examples)
        split.release()
        parts = [told] if group.shards else group.brought(told)
        return group.told(lambda: self._named(Judged.together([each for each in parts if each])))

    def _judged(self, module: nn.Module, examples: Examples) -> Judged:
        return judged(
            module,
            self._task,
            examples,
            device=self._device,
            batch_size=self._task.at_once,
            precision=self._config.precision,
        )

    def baseline(self) -> dict[str, float]:
        """What the task's baseline reaches on the validation split, named as `scores`."""
        if self.validation is None:
            return {}
        task = self._task
        return self._named(naive(task, self.validation.tensors, batch_size=task.at_once))

    def _named(self, told: Judged) -> dict[str, float]:
        assert self.validation is not None
        scores = self._task.scores(told.found, self.validation.target)
        return {"val/loss": told.loss, **{f"val/{name}": value for name, value in scores.items()}}

    def due(self, epoch: int, *, last: bool) -> bool:
        """Whether the model is judged after epoch `epoch` (1 is the first)."""
        return last or epoch % self._config.judge_every == 0

    def value(self, metrics: dict[str, float]) -> float:
        """The metric that the task goes by; not a number where nothing was judged."""
        return metrics.get(f"val/{self._task.metric}", math.nan)

    def keeps(self, metrics: dict[str, float], best: Best | None, at: Progress) -> bool:
        """Whether no epoch was better; where the metric is the same, the lower loss is kept.

        Without a validation split the newest is. An epoch that only has the lower loss is no
        reason to wait longer: patience and the plateau go by the metric.
        """
        if best is None or self.validation is None or math.isnan(best.value):
            at.waited = at.flat = 0
            return True
        value = self.value(metrics)
        if value > best.value if self._task.higher_is_better else value < best.value:
            at.waited = at.flat = 0
            return True
        at.waited += self._config.judge_every
        at.flat += self._config.judge_every
        if self._config.schedule == "plateau" and at.flat >= PLATEAU_EPOCHS:
            at.flat = 0
            at.rate *= PLATEAU_FACTOR
        lower = metrics.get("val/loss", math.inf) < best.metrics.get("val/loss", math.inf)
        return value == best.value and lower

    def out_of_patience(self, at: Progress) -> bool:
        """Whether as many epochs as the person named were no better."""
        return self._config.patience is not None and at.waited >= self._config.patience
