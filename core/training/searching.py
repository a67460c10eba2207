"""What is found out before the first step: a learning rate, and a batch size, for this device."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from core.inference.forward import to_device
from core.training.config import TrainConfig
from core.training.feed import Split
from core.training.stepper import Stepper

if TYPE_CHECKING:
    from core.tasks.base import Task

LOWEST, HIGHEST = 1e-6, 10.0
TRIES = 100
SMOOTH = 0.9
WORSE = 4.0
"""The search ends when the smoothed loss is so many times the best."""
BELOW_LOWEST = 0.1
SIZES = tuple(1 << power for power in range(3, 15))
GAIN = 1.1
"""A batch twice as large must take in so many times more examples a second."""
STEPS_AN_EPOCH = 8


def learning_rate(
    module: nn.Module,
    task: Task,
    train: Split,
    config: TrainConfig,
    device: torch.device,
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> float:
    """The highest rate that suits, by a test of the range (Smith 2017).

    A copy of the module takes up to `TRIES` steps, each at a rate higher than the one before; a
    tenth of the rate at which the loss was lowest is still safe (Howard & Gugger 2020).
    """
    assert isinstance(config.batch_size, int)
    stepper = Stepper(copy.deepcopy(module).to(device), task, config.with_(lr=LOWEST), device)
    rates = np.geomspace(LOWEST, HIGHEST, TRIES)
    batches = chain.from_iterable(
        train.epoch(config.seed, epoch, config.batch_size) for epoch in range(TRIES)
    )
    losses: list[float] = []
    mean, best = 0.0, math.inf
    # What is tried here must leave the random numbers of the training as they were.
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for number, (rate, rows) in enumerate(zip(rates, batches, strict=False), 1):
            stepper.optimizer.set_rate(float(rate))
            loss = float(stepper(to_device(rows, device)))
            if not math.isfinite(loss) or should_stop():
                break
            mean = SMOOTH * mean + (1 - SMOOTH) * loss
            losses.append(mean / (1 - SMOOTH**number))
            best = min(best, losses[-1])
            if losses[-1] > WORSE * best:
                break
    if not losses:
        return LOWEST
    return float(f"{rates[int(np.argmin(losses))] * BELOW_LOWEST:.1g}")


def batch_size(
    module: nn.Module, task: Task, train: Split, config: TrainConfig, device: torch.device
) -> int:
    """The power of two beyond which the device takes in hardly more examples a second.

    It leaves eight steps or more in an epoch, and fits into the memory with as much again free.
    """
    best: int = SIZES[0]
    before = 0.0
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for size in SIZES:
            if size * STEPS_AN_EPOCH > train.rows:
                break
            try:
                speed = _speed(module, task, train, config.with_(batch_size=size, lr=1e-6), device)
            except (torch.OutOfMemoryError, MemoryError):
                break
            if _memory_share(device) > 0.5:
                break
            if speed < before * GAIN:
                break
            best, before = size, speed
    return best


def _speed(
    module: nn.Module, task: Task, train: Split, config: TrainConfig, device: torch.device
) -> float:
    """Examples a second of the quickest of three steps, after one that does not count."""
    assert isinstance(config.batch_size, int)
    # As many parts as asked and no more: a size that must be split is too large.
    stepper = Stepper(copy.deepcopy(module).to(device), task, config, device, may_split=False)
    index = torch.arange(config.batch_size)
    batch = to_device(train.batch(index), device)
    took = []
    for _ in range(4):
        began = time.perf_counter()
        float(stepper(batch))
        took.append(time.perf_counter() - began)
    return config.batch_size / min(took[1:])


def _memory_share(device: torch.device) -> float:
    if device.type != "cuda":
        return 0.0
    free, total = torch.cuda.mem_get_info(device)
    return 1 - free / total
