"""How the learning rate goes: a pure function of the step, so a resumed run finds it again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.training.config import TrainConfig

SCHEDULES = ("cosine", "linear", "constant", "one-cycle", "plateau")
# One-cycle begins at a 25th of the peak and ends at a 10,000th of that (Smith & Topin 2018).
_FIRST, _LAST = 1 / 25, 1e-4
PLATEAU_EPOCHS = 3
"""Epochs without a better one after which `plateau` lowers the rate."""
PLATEAU_FACTOR = 0.3


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of step `step` (0 is the first) out of `steps`."""
    peak = float(config.lr or 0.0)
    warm = config.warmup * steps if config.warmup < 1 else config.warmup
    warm_steps = min(round(warm), steps)
    done = (step - warm_steps) / max(1, steps - warm_steps)
    if config.schedule == "one-cycle":
        if step < warm_steps:
            return _eased(peak * _FIRST, peak, step / warm_steps)
        return _eased(peak, peak * _FIRST * _LAST, done)
    if step < warm_steps:
        return peak * (step + 1) / (warm_steps + 1)
    if config.schedule in ("constant", "plateau"):
        return peak
    if config.schedule == "linear":
        return peak * (1 - done)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def _eased(start: float, end: float, done: float) -> float:
    """Half a cosine from one rate to another."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * done))
