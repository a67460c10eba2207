"""How long the parts of a training take, measured: a step, judging an example, saving."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from core.augmentation.augmenter import Augmenter
from core.augmentation.written import read
from core.inference.examples import as_tensors, run
from core.inference.forward import judged, to_device
from core.training.checkpoint import Checkpoints
from core.training.config import TrainConfig
from core.training.loop import SAVING_SHARE

if TYPE_CHECKING:
    from core.tasks.base import Arrays
    from core.training.stepper import Stepper

STEPS = 2
MOST_WRITTEN = 64 * 1024 * 1024
"""Bytes that tell how quickly a disk takes more."""


@dataclass(frozen=True)
class Pace:
    """Seconds of a step, of judging the model once, and of saving a checkpoint."""

    step: float
    judging: float
    saving: float

    def epoch(self, steps: int) -> float:
        """Seconds of an epoch of so many steps, with what it is worth told at its end."""
        return steps * self.step + self.judging

    def whole(self, config: TrainConfig, steps: int, per_epoch: int) -> float:
        """Seconds of a training: it saves at the ends of epochs as far as that is a small share of
        the time, by the clock, by steps, and at its end."""
        epochs = -(-steps // per_epoch)
        seconds = steps * self.step + -(-epochs // config.judge_every) * self.judging
        saves = 1 + min(epochs - 1, int(SAVING_SHARE * seconds / max(self.saving, 1e-9)))
        if seconds / epochs > config.checkpoint_seconds:
            saves += int(seconds / config.checkpoint_seconds)
        if config.checkpoint_every:
            saves += steps // config.checkpoint_every
        return min(seconds + saves * self.saving, config.max_time or math.inf)


def step_seconds(stepper: Stepper, arrays: Arrays, size: int) -> float:
    """Seconds of a step of `size` examples, changed at random as the training does; the mean of
    two after one that does not count."""
    config, examples, rows = stepper.config, as_tensors(arrays), len(arrays["target"])
    change = Augmenter(read(config.augment), config.seed, stepper.task.marks)
    began = 0.0
    for number in range(STEPS + 1):
        if number == 1:
            began = time.perf_counter()
        start = min(number * size, max(0, rows - size))
        batch = to_device(run(examples, start, min(start + size, rows)), stepper.device)
        float(stepper(change(batch, 0)))
    return (time.perf_counter() - began) / STEPS


def judging_seconds(stepper: Stepper, arrays: Arrays) -> float:
    """Seconds in which one example is judged and scored, once a first pass has warmed up."""
    task, examples, rows = stepper.task, as_tensors(arrays), len(arrays["target"])
    began = 0.0
    for _ in range(2):
        began = time.perf_counter()
        told = judged(
            stepper.module,
            task,
            examples,
            device=stepper.device,
            batch_size=task.at_once,
            precision=stepper.config.precision,
        )
        task.scores(told.found, arrays["target"])
    return (time.perf_counter() - began) / rows


def saving_seconds(folder: Path, amount: int) -> float:
    """Seconds in which a checkpoint of so many bytes is saved in `folder`; nothing stays there."""
    written = min(amount, MOST_WRITTEN)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        checkpoints = Checkpoints(Path(place))
        began = time.perf_counter()
        checkpoints.save(1, {"weights": torch.zeros(written, dtype=torch.uint8)}, {})
        took = time.perf_counter() - began
    return took * max(1.0, amount / max(1, written))
